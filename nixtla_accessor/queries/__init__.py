"""Questions about the series of a frame: a forecast, paths into the future, a cross-validation, anomalies.

A query is a plain value that names the columns, the frequency and the model. It is answered for a pandas frame, or on
Dask for each partition.
"""

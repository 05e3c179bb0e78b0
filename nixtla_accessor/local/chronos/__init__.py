"""Chronos-2 and Chronos-Bolt, the open foundation models of chronos-forecasting, as forecasters of the engine.

torch and what needs it are imported by `pipelines` and `training` only, and these when a model is first used.
"""

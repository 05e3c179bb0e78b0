"""From a frame of any accepted shape to packed arrays, and from the service's answers back to a frame.

Knows pandas, never HTTP. The way of a frame::

    frame.py → panel.py: Panel → inference.py, frequency.py: Frequency → packing.py: PackedSeries → tidy.py
"""

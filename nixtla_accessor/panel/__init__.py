"""From a frame of any accepted shape to packed arrays, and from answered numbers back to a frame.

Knows pandas, never HTTP.
"""

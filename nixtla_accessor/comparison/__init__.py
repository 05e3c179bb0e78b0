"""Which forecasts are better, and how sure that is: the last windows of each series, forecast in several ways."""

"""The HTTP service: routes, request bodies, the store of models, and the engine that forecasts."""

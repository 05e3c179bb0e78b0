"""Time-series fine-tuning where the data already is."""

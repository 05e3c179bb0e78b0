"""Pretraining: synthetic series, and the training that made the shipped weights."""

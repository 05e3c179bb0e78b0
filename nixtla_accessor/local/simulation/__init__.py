"""Paths into the future: draws that agree with a forecast's quantiles, and depend on each other over time."""

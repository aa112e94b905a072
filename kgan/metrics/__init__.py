"""Measures. Each says how it was computed; none knows a model."""

"""Rows of points: writing and reading them, whether they are sound, and whether they are enough."""

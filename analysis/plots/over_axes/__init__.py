"""Figures over the axes of a sweep: maps and curves, slices side by side, differences of simulators."""

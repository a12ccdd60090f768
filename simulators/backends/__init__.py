"""Simulators: the protocol they share, and one file or folder for each."""

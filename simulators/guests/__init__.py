"""Guests: networks, neuron models and statistics in files of a user's own, or in packages that are installed."""

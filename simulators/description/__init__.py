"""The simulator-free description of a spiking network."""

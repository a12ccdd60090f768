"""What runs as machine code: Numba functions, compiled with the program of a network (`..program`)."""

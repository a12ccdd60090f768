"""What the user writes and types: sweeps, defaults, the grid, and the command line."""

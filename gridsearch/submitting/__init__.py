"""A plan becomes a run: its folder, its lock, and what it was made with."""

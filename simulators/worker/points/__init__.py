"""A point in a worker: what it may take, and what is made of it."""

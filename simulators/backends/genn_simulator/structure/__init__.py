"""What of a network has to be compiled, and what buffers it needs."""

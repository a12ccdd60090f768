"""How synapses lie in memory, and how they are drawn."""

"""What is generated in GeNN's C-like language: connectivity, neurons, Poisson trains, random numbers, synapses."""

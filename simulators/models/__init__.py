"""Network models, one module each: ``make_network(parameters)`` returns a `simulators.network.Network`."""

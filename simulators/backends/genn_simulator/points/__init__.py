"""Setting a built network to points: values, states, weights, inputs."""

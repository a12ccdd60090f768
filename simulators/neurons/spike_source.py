"""Sources that play the spikes they are given (`simulators.description.SpikeEvents`)."""

from __future__ import annotations

from simulators.neurons.neuron_model import NeuronModel

MODEL = NeuronModel(name="spike_source", doc="given spikes", parameters={}, source="events")

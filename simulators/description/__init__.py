"""The simulator-free description of a spiking network: all that a model's file needs, from one place."""

from simulators.description.distributions import Distribution, FiringPhase, Normal, Scaled, Uniform
from simulators.description.errors import NetworkError, ParameterError
from simulators.description.inputs import PiecewiseConstant, PoissonDrive, SpikeEvents, StepCurrent
from simulators.description.network import Network
from simulators.description.population import Population
from simulators.description.projection import (
    Bernoulli,
    ConnectionList,
    FixedIndegree,
    FixedTotalNumber,
    OneToOne,
    Pairs,
    Projection,
)
from simulators.neurons.neuron_model import NestNeuron, NeuronModel, Quantity, Receptor, StepRule

__all__ = [
    "Bernoulli",
    "ConnectionList",
    "Distribution",
    "FiringPhase",
    "FixedIndegree",
    "FixedTotalNumber",
    "NestNeuron",
    "Network",
    "NetworkError",
    "NeuronModel",
    "Normal",
    "OneToOne",
    "Pairs",
    "ParameterError",
    "PiecewiseConstant",
    "PoissonDrive",
    "Population",
    "Projection",
    "Quantity",
    "Receptor",
    "Scaled",
    "SpikeEvents",
    "StepCurrent",
    "StepRule",
    "Uniform",
]

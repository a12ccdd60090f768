"""What a neuron model is: names, units and defaults, and what each simulator needs to know of it.

A model is one file of this folder that holds `MODEL`, found by its name, or a `NeuronModel` in a file of one's own.
It imports no simulator: what NEST calls it is text, and how it moves is arithmetic (`StepRule`) that simulators with a
step of their own turn into code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Values = float | NDArray[np.float64]
"""One number for a population, or one for each neuron, shape (size,)."""

Receptor = Literal["excitatory", "inhibitory"]
SUFFIXES: Mapping[Receptor, str] = {"excitatory": "ex", "inhibitory": "in"}
"""How names of parameters and inputs tell the receptors apart: ``tau_syn_ex``, ``input_in``."""


@dataclass(frozen=True)
class Quantity:
    """A parameter or a state.

    Parameters
    ----------
    unit : str
        Unit of its number in a population; ``1`` for none.
    doc : str
        What it is, in a line.
    default : float or str, optional
        What a population gets that does not give it: a number, or the value of the parameter of that name. None: a
        population must give it. States always have one.
    """

    unit: str
    doc: str
    default: float | str | None = None


def same_names(values: Mapping[str, Values]) -> dict[str, Values]:
    """Translate nothing: the simulator has the same names and units."""
    return dict(values)


@dataclass(frozen=True, eq=False)
class NestNeuron:
    """What NEST needs to know.

    Parameters
    ----------
    name : str
        NEST's model.
    translate : callable
        From parameters and states by our names to NEST's; units stay.
    quench : mapping of str to float, optional
        Parameters by NEST's names under which, within one step, no synaptic input is left to the last bit, and no
        spike can be fired. None if something of a point would stay (the step of an adaptive solver, say): then the
        network is built anew for every point.
    """

    name: str
    translate: Callable[[Mapping[str, Values]], dict[str, Values]] = same_names
    quench: Mapping[str, float] | None = None


@dataclass(frozen=True, eq=False)
class StepRule:
    """How a neuron moves by one step, in arithmetic that reads the same in C and in Python.

    A step is: a neuron that fired at the end of the last one is `reset`; `code` computes where it goes; while it is
    refractory, what is `held` stays; then spikes add to its inputs. It fires if ``V`` has reached `threshold`.

    Parameters
    ----------
    states : tuple of str
        Among them ``V``, the membrane potential.
    start : callable
        Values of the states at the start of a point, from parameters and states as the population has them.
    constants : callable
        What stays the same during a point, from the same values and the time step in ms: a number, or an array
        where it differs between neurons. Only ``drift`` may depend on ``I_e``, on which step currents act.
    threshold : str
        Name of the constant that ``V`` must reach.
    reset : mapping of str to str
        Expression of each state that a spike changes.
    code : str
        Lines ``name = expression``. Expressions hold numbers, ``+ - * /``, parentheses, ``exp``, ``min`` and ``max`` of
        two, and the names of states, constants, ``input_ex``, ``input_in``, ``dt`` and of earlier lines. ``input_ex``
        and ``input_in`` are the synaptic currents (inhibitory ones are negative) or conductances at the start of the
        step. Every state and input ``x`` needs a line ``next_x = …``.
    held : tuple of str
        States that stay while the neuron is refractory.
    """

    states: tuple[str, ...]
    start: Callable[[Mapping[str, Values]], dict[str, Values]]
    constants: Callable[[Mapping[str, Values], float], dict[str, Values]]
    threshold: str
    reset: Mapping[str, str]
    code: str
    held: tuple[str, ...] = ("V",)


@dataclass(frozen=True, eq=False)
class NeuronModel:
    """A neuron model or a kind of spike source.

    Parameters
    ----------
    name : str
        As it stands in messages; for the models of this folder the name of the file.
    doc : str
        What it is, in a line.
    parameters, states : mapping of str to Quantity
        What a population may give. A model whose `refractory` is not None has that parameter.
    synapses : {'current', 'conductance'}, optional
        What arriving spikes add to, in pA or nS: through ``tau_syn_ex`` or ``tau_syn_in``. None takes no input.
    source : {'poisson', 'events'}, optional
        A population that is told when to spike: by the rate of a Poisson process, or by given events.
    refractory : str, optional
        Name of the parameter that holds the absolute refractory time in ms.
    nest : NestNeuron, optional
        None if NEST cannot run it.
    step : StepRule, optional
        None if simulators with a step of their own cannot run it.
    """

    name: str
    doc: str
    parameters: Mapping[str, Quantity]
    states: Mapping[str, Quantity] = field(default_factory=dict)
    synapses: Literal["current", "conductance"] | None = None
    source: Literal["poisson", "events"] | None = None
    refractory: str | None = None
    nest: NestNeuron | None = None
    step: StepRule | None = None

    def complete(self, values: Mapping[str, Values]) -> dict[str, Values]:
        """Return parameters and states with the defaults of those that are not given.

        Raises
        ------
        KeyError
            If a parameter without a default is missing.
        """
        completed = dict(values)
        for name, quantity in (*self.parameters.items(), *self.states.items()):
            if name not in completed:
                default = quantity.default
                if default is None:
                    raise KeyError(name)
                completed[name] = completed[default] if isinstance(default, str) else default
        return completed


def refractory_steps(model: NeuronModel, values: Mapping[str, Values], dt: float) -> Values:
    """Whole steps of the refractory time, rounded up: the neuron is refractory for at least its time.

    Parameters
    ----------
    model : NeuronModel
        The model.
    values : mapping of str to float or ndarray
        Its parameters.
    dt : float
        ms.
    """
    if model.refractory is None:
        return 0.0
    steps: Values = np.ceil(np.round(np.asarray(values[model.refractory]) / dt, 6))
    return steps if np.ndim(steps) else float(steps)

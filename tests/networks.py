"""Small versions of networks that the description has to carry beside the clustered one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from simulators.description import (
    Bernoulli,
    ConnectionList,
    FixedIndegree,
    FixedTotalNumber,
    Network,
    Normal,
    OneToOne,
    PiecewiseConstant,
    PoissonDrive,
    Population,
    Projection,
    Receptor,
    SpikeEvents,
    Uniform,
)

FULL_SIZES = {"23E": 20683, "23I": 5834, "4E": 21915, "4I": 5479, "5E": 4850, "5I": 1065, "6E": 14395, "6I": 2948}
FULL_IN_DEGREES = (1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100)
N_SYNAPSES = 298_880_968
MICROCIRCUIT_SIZES = {"23E": 200, "23I": 60, "4E": 220, "4I": 55}
MICROCIRCUIT_P = {  # [target][source], the upper left corner of Potjans & Diesmann (2014), table 5
    "23E": {"23E": 0.1009, "23I": 0.1689, "4E": 0.0437, "4I": 0.0818},
    "23I": {"23E": 0.1346, "23I": 0.1371, "4E": 0.0316, "4I": 0.0515},
    "4E": {"23E": 0.0077, "23I": 0.0059, "4E": 0.0497, "4I": 0.1350},
    "4I": {"23E": 0.0691, "23I": 0.0029, "4E": 0.0794, "4I": 0.1597},
}


def vogels_abbott(weight_E: float = 100.0, weight_I: float = 800.0, kick: float = 400.0) -> Network:
    """Conductance-based neurons kicked by Poisson sources for 50 ms (weights stronger than published: it is small)."""
    neuron = {
        "C_m": 200.0,
        "tau_m": 20.0,
        "E_L": -60.0,
        "V_reset": -60.0,
        "V_th": -50.0,
        "t_ref": 5.0,
        "tau_syn_ex": 5.0,
        "tau_syn_in": 10.0,
        "E_ex": 0.0,
        "E_in": -80.0,
        "I_e": 0.0,
    }
    initial = {"V_m": Uniform(-60.0, -50.0)}
    populations = (
        Population("E", 240, "lif_cond_exp", neuron, initial),
        Population("I", 60, "lif_cond_exp", neuron, initial),
        Population("kick", 20, "poisson_source", {"rate": 200.0, "start": 0.0, "stop": 50.0}),
    )
    weights: dict[str, tuple[float, Receptor]] = {
        "E": (weight_E, "excitatory"),
        "I": (weight_I, "inhibitory"),
        "kick": (kick, "excitatory"),
    }
    projections = [
        Projection(f"{target}{source}", source, target, Bernoulli(0.02 if source != "kick" else 0.1),
                   weights[source][0] / 51 * 2, 0.2, weights[source][1])
        for source in ("E", "I", "kick")
        for target in ("E", "I")
    ]  # fmt: skip
    return Network(populations, tuple(projections))


def microcircuit(rate: float = 12000.0) -> Network:
    """Normal weights and delays, a fixed number of synapses with multapses, independent Poisson drive."""
    neuron = {
        "C_m": 250.0,
        "tau_m": 10.0,
        "E_L": -65.0,
        "V_reset": -65.0,
        "V_th": -50.0,
        "t_ref": 2.0,
        "tau_syn_ex": 0.5,
        "tau_syn_in": 0.5,
        "I_e": 0.0,
    }
    populations = tuple(
        Population(name, size, "lif_psc_exp", neuron, {"V_m": Normal(-58.0, 10.0)})
        for name, size in MICROCIRCUIT_SIZES.items()
    )
    projections = []
    for target, row in MICROCIRCUIT_P.items():
        for source, probability in row.items():
            number = fixed_number(probability, MICROCIRCUIT_SIZES[source], MICROCIRCUIT_SIZES[target])
            excitatory = source.endswith("E")
            mean = (87.8 * (2.0 if (target, source) == ("23E", "4E") else 1.0)) if excitatory else -4.0 * 87.8
            bounds = (0.0, math.inf) if excitatory else (-math.inf, 0.0)
            delay = Normal(1.5, 0.75, 0.1) if excitatory else Normal(0.75, 0.375, 0.1)
            projections.append(
                Projection(
                    f"{target}_{source}", source, target, FixedTotalNumber(number),
                    Normal(mean, 0.1 * abs(mean), *bounds), delay, "excitatory" if excitatory else "inhibitory",
                )
            )  # fmt: skip
    drives = tuple(PoissonDrive(f"drive_{name}", name, rate, 87.8, 1.5) for name in MICROCIRCUIT_SIZES)
    return Network(populations, tuple(projections), drives)


def fixed_number(probability: float, n_source: int, n_target: int) -> int:
    """Synapses with multapses for which a pair is connected at all with a probability (Potjans & Diesmann 2014)."""
    return round(math.log(1.0 - probability) / math.log(1.0 - 1.0 / (n_source * n_target)))


def explicit_lists(seed: int = 3) -> Network:
    """Conductance-based cells joined by lists with a weight and a delay per synapse, as of a cerebellum."""
    rng = np.random.default_rng(seed)
    cell = {
        "C_m": 7.0,
        "tau_m": 5.0,
        "E_L": -74.0,
        "V_reset": -84.0,
        "V_th": -42.0,
        "t_ref": 1.5,
        "tau_syn_ex": 0.5,
        "tau_syn_in": 10.0,
        "E_ex": 0.0,
        "E_in": -80.0,
        "I_e": 0.0,
    }
    initial = {"V_m": -74.0}
    populations = (
        Population("glomeruli", 30, "poisson_source", {"rate": 150.0, "start": 10.0, "stop": 150.0}),
        Population("granule", 120, "lif_cond_exp", cell, initial),
        Population("golgi", 10, "lif_cond_exp", {**cell, "C_m": 40.0, "tau_m": 20.0}, initial),
    )

    def drawn(n_source: int, n_target: int, per_target: int, weight: float) -> ConnectionList:
        targets = np.repeat(np.arange(n_target), per_target)
        sources = rng.integers(0, n_source, targets.size)
        delays = rng.integers(1, 40, targets.size) * 0.1
        return ConnectionList(sources, targets, rng.uniform(0.5, 1.5, targets.size) * weight, delays)

    projections = (
        Projection("glom_gran", "glomeruli", "granule", drawn(30, 120, 4, 9.0), 0.0, 1.0, "excitatory"),
        Projection("gran_golgi", "granule", "golgi", drawn(120, 10, 40, 20.0), 0.0, 1.0, "excitatory"),
        Projection("golgi_gran", "golgi", "granule", drawn(10, 120, 2, 5.0), 0.0, 1.0, "inhibitory"),
        Projection("golgi_self", "golgi", "golgi", OneToOne(), 1.0, 2.0, "inhibitory"),
    )
    return Network(populations, projections)


_MEMBRANE = {"C_m": 250.0, "tau_m": 10.0, "E_L": -65.0, "V_reset": -68.0, "V_th": -50.0}

# All that has a default is left out
BARE: dict[str, dict[str, float]] = {
    "lif_psc_exp": {**_MEMBRANE, "tau_syn_ex": 0.5, "tau_syn_in": 1.0},
    "lif_cond_exp": {**_MEMBRANE, "tau_syn_ex": 3.0, "tau_syn_in": 6.0, "E_ex": 0.0, "E_in": -80.0},
    "aeif_psc_exp": {**_MEMBRANE, "tau_syn_ex": 0.5, "tau_syn_in": 1.0, "Delta_T": 2.0, "tau_w": 100.0},
}
SYNAPSE = {"lif_psc_exp": 90.0, "lif_cond_exp": 0.3, "aeif_psc_exp": 90.0}
"""A weight of which some dozen spikes within a few ms make a neuron fire."""


def bare(neuron: str, rate: float | PiecewiseConstant = 9000.0, weight: float = 1.0, **changes: Any) -> Network:
    """Forty neurons under Poisson drive that leave out every parameter and state with a default."""
    synapse = SYNAPSE[neuron] * weight
    inhibition = -4.0 * synapse if neuron != "lif_cond_exp" else 4.0 * synapse
    return Network(
        (
            Population("E", 32, neuron, {**BARE[neuron], **changes}),
            Population("I", 8, neuron, {**BARE[neuron], **changes}),
        ),
        tuple(
            Projection(target + source, source, target, FixedIndegree(4), w, 1.5, receptor)
            for source, w, receptor in (("E", synapse, "excitatory"), ("I", inhibition, "inhibitory"))
            for target in "EI"
        ),
        tuple(PoissonDrive(f"to_{x}", x, rate, SYNAPSE[neuron], 1.5) for x in "EI"),
    )


def listed(weight: float) -> Network:
    """Poisson sources on neurons by an explicit list whose synapses share one weight."""
    rng = np.random.default_rng(2)
    targets = np.repeat(np.arange(20), 10)
    rule = ConnectionList(rng.integers(0, 30, targets.size), targets, delays=rng.integers(1, 30, targets.size) * 0.1)
    return Network(
        (
            Population("source", 30, "poisson_source", {"rate": 100.0, "start": -1000.0}),
            Population("E", 20, "lif_psc_exp", BARE["lif_psc_exp"]),
        ),
        (Projection("listed", "source", "E", rule, weight, 1.0, "excitatory"),),
    )


def scaled(scale: float, inhibition: float = 4.0) -> Network:
    """Neurons whose weights are drawn and scaled."""
    drawn = Normal(90.0, 20.0, 0.0)
    network = bare("lif_psc_exp")
    projections = tuple(
        replace(p, weight=scale * drawn if p.receptor == "excitatory" else -inhibition * drawn, rule=FixedIndegree(8))
        for p in network.projections
    )
    return replace(network, projections=projections)


def played(times: Sequence[float], neurons: Sequence[int], size: int = 20) -> Network:
    """Sources that play given spikes to neurons, each of which fires once at each, if it is not refractory."""
    strong = {**BARE["lif_psc_exp"], "t_ref": 3.0}
    return Network(
        (Population("source", size, "spike_source"), Population("E", size, "lif_psc_exp", strong)),
        (Projection("one", "source", "E", OneToOne(), 1.3e4, 2.0, "excitatory"),),
        (SpikeEvents("spikes", "source", np.array(times, dtype=float), np.array(neurons, dtype=np.int64)),),
    )


def full_microcircuit() -> Network:
    """Sizes, number of synapses and drive of Potjans & Diesmann (2014), the synapses dealt out evenly."""
    cell = microcircuit().populations[0].parameters
    pairs = [(target, source) for target in FULL_SIZES for source in FULL_SIZES]
    n_pairs = sum(FULL_SIZES[target] * FULL_SIZES[source] for target, source in pairs)
    projections = tuple(
        Projection(
            target + source, source, target,
            FixedTotalNumber(N_SYNAPSES * FULL_SIZES[target] * FULL_SIZES[source] // n_pairs),
            Normal(87.8, 8.78, 0.0), Normal(1.5, 0.75, 0.1), "excitatory",
        )
        for target, source in pairs
    )  # fmt: skip
    drives = tuple(
        PoissonDrive(f"to_{name}", name, 8.0 * count, 87.8, 1.5)
        for name, count in zip(FULL_SIZES, FULL_IN_DEGREES, strict=True)
    )
    populations = tuple(Population(name, size, "lif_psc_exp", cell) for name, size in FULL_SIZES.items())
    return Network(populations, projections, drives)

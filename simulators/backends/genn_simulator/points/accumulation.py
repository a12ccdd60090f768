"""Sums that a loaded GeNN model makes of its instances' spikes: setting them to zero, adding to them, fetching them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.backends.genn_simulator.generated_code.accumulation_code import (
    ACCUMULATE,
    GATHER,
    WATCH,
    table_launch,
)
from simulators.backends.genn_simulator.network import GennNetwork
from simulators.backends.pace import most_spikes, too_fast
from simulators.backends.simulator import PointFailure
from simulators.records.job import Simulation
from simulators.statistics.measures.accumulated import Plan


class Accumulation:
    """What is accumulated of the instances of a batch.

    Parameters
    ----------
    built : GennNetwork
        The loaded model.
    plans : mapping of int to mapping of str to Plan
        By instance and population; they differ in refractory times alone.
    batch : int
        Instances.
    simulation : Simulation
        Warm-up and largest rate.

    Attributes
    ----------
    failures : dict of int to PointFailure
        Points that fire too fast, by instance.
    """

    def __init__(
        self, built: GennNetwork, plans: Mapping[int, Mapping[str, Plan]], batch: int, simulation: Simulation
    ) -> None:
        self._built = built
        self._batch = batch
        self._simulation = simulation
        self._instances = list(plans)
        self.failures: dict[int, PointFailure] = {}
        self._plans = dict(next(iter(plans.values())))
        for name, plan in self._plans.items():
            self._zero(name, ACCUMULATE, ("whole", "squares", "terms"))
            for k in range(len(plan.tables)):
                self._zero(name, table_launch(k), ("counts",))
            revision = self._array(name, ACCUMULATE, "revision")
            revision.view[:] = 0.0
            for instance, own in plans.items():
                revision.view[instance] = 4.0 * (own[name].extent.t_ref / own[name].extent.dt)
            revision.push_to_device()
            if plan.sample.size:
                self._set(name, GATHER, "chosen", plan.sample)

    def take(self, begin: int, end: int) -> dict[str, NDArray[np.uint32]]:
        """Add the spikes of a chunk to the sums, and fetch what is needed at once.

        Parameters
        ----------
        begin, end : int
            Steps, counted from the start of the warm-up.

        Returns
        -------
        dict of str to ndarray of uint32, shape (n_words, batch, n_sample)
            Words of the samples, by population; none where there is no sample.
        """
        for launch in self._prepare(begin - self._simulation.warmup_steps, end - self._simulation.warmup_steps):
            self._built.model._runtime.custom_update(launch)
        for name, plan in self._plans.items():
            found = self._fetched(name, WATCH, "parts").sum(axis=1, dtype=np.int64)
            size, most = plan.extent.size, most_spikes(plan.extent.size, end - begin, self._simulation)
            for instance in self._instances:
                if found[instance] > most and instance not in self.failures:
                    reason = too_fast(name, size, int(found[instance]), begin, end, self._simulation)
                    self.failures[instance] = PointFailure("diverged", reason)
        return {
            name: self._fetched(name, GATHER, "sampled").reshape(-1, self._batch, plan.sample.size)
            for name, plan in self._plans.items()
            if plan.sample.size
        }

    def _prepare(self, begin: int, end: int) -> list[str]:
        """Say of which steps since the warm-up a chunk is, and return what to launch."""
        launches = [WATCH]
        for name, plan in self._plans.items():
            for k, (_, width) in enumerate(plan.tables):
                n_bins = plan.extent.n_steps // width
                first = max(begin, 0) // width
                n_here = max(0, min(-(-max(end, 0) // width), n_bins) - first)
                self._set(name, table_launch(k), "facts", [begin, end - begin, width, n_bins, first, n_here])
                launches.append(table_launch(k))
            if plan.sample.size:
                launches.append(GATHER)
            numbers = [number for width in plan.windows for number in (width, plan.extent.n_steps // width)]
            self._set(name, ACCUMULATE, "facts", [begin, *numbers])
        return [*dict.fromkeys(launches), ACCUMULATE]  # which clears what the others read

    def sums(self) -> dict[str, NDArray[np.uint32]]:
        """Return all sums, as `simulators.backends.accumulated` names and shapes them."""
        found: dict[str, NDArray[np.uint32]] = {}
        for name, plan in self._plans.items():
            for kind in ("whole", "squares", "terms"):
                words = self._fetched(name, ACCUMULATE, kind).view(np.uint32)
                per_neuron = 1 if kind == "whole" else 2
                found[f"{name} {kind}"] = words.reshape(-1, self._batch, per_neuron * plan.extent.size)
            for k, (groups, _) in enumerate(plan.tables):
                counts = self._fetched(name, table_launch(k), "counts")
                found[f"{name} table {k}"] = counts.reshape(self._batch, groups, -1)
        return found

    def _array(self, population: str, launch: str, name: str) -> Any:
        return self._built.updates[population, launch].extra_global_params[name]

    def _fetched(self, population: str, launch: str, name: str) -> NDArray[Any]:
        array = self._array(population, launch, name)
        array.pull_from_device()
        return np.asarray(array.view).reshape(self._batch, -1)

    def _zero(self, population: str, launch: str, names: tuple[str, ...]) -> None:
        for name in names:
            self._set(population, launch, name, 0)

    def _set(self, population: str, launch: str, name: str, values: Any) -> None:
        array = self._array(population, launch, name)
        array.view[:] = values
        array.push_to_device()

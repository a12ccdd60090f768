"""What a row says of a point's network, and of what planning expected of it here."""

from __future__ import annotations

from typing import Any

from simulators.backends.simulator import Cost, find_simulator, revision_of
from simulators.description import Network
from simulators.records.job import Job


class NetworkValues:
    """Columns of rows that the networks of a job's points give.

    Parameters
    ----------
    job : Job
        The job.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._module = find_simulator(job.simulator)
        self._costs: dict[object, Cost] = {}

    def of(self, network: Network, n_synapses: int, *, built: bool, n_together: int) -> dict[str, Any]:
        """Return the columns of a point that has run.

        Parameters
        ----------
        network : Network
            Its network.
        n_synapses : int
            That were made.
        built : bool
            Whether the time of the build is in this row.
        n_together : int
            Points that ran beside it, it included.
        """
        cost = self._cost(network)
        return {
            "n_neurons": network.n_neurons,
            "n_synapses": n_synapses,
            "revision": revision_of(self._module, network, self._job.simulation),
            "expected_build": cost.build if built else 0.0,
            "expected_point": cost.point_among(n_together),
        }

    def _cost(self, network: Network) -> Cost:
        """Return what planning expects of a network of this structure here."""
        structure = self._module.structure(network)
        if structure not in self._costs:
            cost = self._module.estimate(network, self._job.simulation, self._job.settings)
            self._costs[structure] = cost.of(self._job)
        return self._costs[structure]

"""How far a simulator goes between two looks at the clock, at requests to stop and at what it has recorded.

A stretch of biology that takes 10 ms in a quiet network takes minutes in a large one that runs away, and fills the
memory with spikes. So a point begins in short pieces, which grow while they are quick. A result does not depend on how
it is cut: NEST and the native simulator take the same steps in any pieces.
"""

from __future__ import annotations

from simulators.records.job import Simulation

WINDOW = 200.0
"""ms of biological time over which rates are compared with the largest that is allowed."""

_FIRST = 10.0  # ms of biological time
_QUICK, _SLOW = 0.25, 1.0  # s of wall time


class Pace:
    """Lengths of the pieces of a point.

    Parameters
    ----------
    dt : float
        ms, time step.
    most : int, optional
        Steps of a piece at most.
    """

    def __init__(self, dt: float, most: int | None = None) -> None:
        self._most = max(1, most or round(WINDOW / dt))
        self._steps = max(1, min(self._most, round(_FIRST / dt)))

    def steps(self, left: int) -> int:
        """Return how many steps to take, of those that are left."""
        return min(self._steps, left)

    def took(self, steps: int, seconds: float) -> None:
        """Learn what a piece took, s of wall time; one that was cut short by what was left says little."""
        if seconds > _SLOW:
            self._steps = max(1, min(self._steps, steps) // 2)
        elif seconds < _QUICK and steps == self._steps:
            self._steps = min(self._most, 2 * self._steps)


def most_spikes(size: int, n_steps: int, simulation: Simulation) -> float:
    """Return how many spikes a population may have in so many steps before it has diverged."""
    return simulation.max_rate * size * n_steps * simulation.dt * 1e-3


def too_fast(population: str, size: int, n_spikes: int, begin: int, end: int, simulation: Simulation) -> str:
    """Say that a population has more spikes than it may.

    Parameters
    ----------
    population : str
        Its name.
    size : int
        Neurons.
    n_spikes : int
        Spikes from step `begin` to step `end`, counted from the start of the warm-up.
    begin, end : int
        See there.
    simulation : Simulation
        Step, warm-up and the largest rate.
    """
    rate = n_spikes / size / ((end - begin) * simulation.dt * 1e-3)
    return (
        f"population {population} fires at {rate:.4g} Hz, above max_rate = {simulation.max_rate:g} Hz, "
        f"{(end - simulation.warmup_steps) * simulation.dt:g} ms after the warm-up"
    )

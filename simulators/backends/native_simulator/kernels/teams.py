"""Threads that run one point together: how they wait for each other, and how each hears of the others' spikes.

A thread owns stretches of the neurons of every population, and the synapses that end there; what arrives is added in
the same order whoever adds it. Within a step a thread needs nothing of the others. Then all meet once, and each notes
the spikes of all, in the order of neurons.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from simulators.backends.native_simulator.kernels.delivery import most_jobs
from simulators.backends.native_simulator.kernels.memory import place_of
from simulators.backends.native_simulator.kernels.parts import part

_SPINS = 2_000  # looks at the others before a core is left to whoever wants it


@intrinsic
def _arrive(typingctx: Any, counter: Any) -> Any:
    """Count one more."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = place_of(context, builder, sig.args[0], args[0], ir.IntType(64)(0), types.int64)
        builder.atomic_rmw("add", place, ir.IntType(64)(1), "seq_cst")
        return context.get_dummy_value()

    return types.void(counter), generate


@intrinsic
def _arrived(typingctx: Any, counter: Any) -> Any:
    """Read the count; what others wrote before they counted can be read from then on."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = place_of(context, builder, sig.args[0], args[0], ir.IntType(64)(0), types.int64)
        return builder.load_atomic(place, "acquire", 8)

    return types.int64(counter), generate


@intrinsic
def _give_way(typingctx: Any) -> Any:
    """Leave the core to another thread."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        module = builder.module
        if "sched_yield" in module.globals:
            function = module.globals["sched_yield"]
        else:
            function = ir.Function(module, ir.FunctionType(ir.IntType(32), []), "sched_yield")
        builder.call(function, [])
        return context.get_dummy_value()

    return types.void(), generate


@part
def _meet(meeting, team):
    """Wait until all threads have come to a meeting; meetings count from 1."""
    _arrive(team.arrived)
    looks = 0
    while _arrived(team.arrived) < meeting * team.threads:
        looks += 1
        if looks > _SPINS:
            _give_way()


@njit(inline="always")
def _desk(meeting, thread, populations, team):
    """Where a thread writes at a meeting: one meeting later the others may still read it."""
    return ((meeting & 1) * team.threads + thread) * (populations.number + 2)


@part
def own_list(meeting, team):
    """First place for the spikes that a thread finds before a meeting."""
    return ((meeting & 1) * team.threads + team.thread) * team.room


@part
def agree(meeting, populations, record, team):
    """Meet; return the most jobs of a step that any thread has."""
    team.starts[_desk(meeting, team.thread, populations, team) + populations.number + 1] = most_jobs(record)
    _meet(meeting, team)
    fullest = 0
    for thread in range(team.threads):
        fullest = max(fullest, team.starts[_desk(meeting, thread, populations, team) + populations.number + 1])
    return fullest


@part
def exchange(meeting, row, n_spikes, n_own, populations, record, team):
    """Meet, and note the spikes of all; return their number so far, and the most jobs of a step.

    `record.starts` holds where the thread's own spikes of each population begin, `n_own` is where they end.
    """
    desk = _desk(meeting, team.thread, populations, team)
    for p in range(populations.number):
        team.starts[desk + p] = record.starts[row + p]
    team.starts[desk + populations.number] = n_own
    fullest = agree(meeting, populations, record, team)
    for p in range(populations.number):
        record.starts[row + p] = n_spikes
        for other in range(team.threads):
            desk = _desk(meeting, (other + p) % team.threads, populations, team)
            for k in range(team.starts[desk + p], team.starts[desk + p + 1]):
                record.spikes[n_spikes] = team.spikes[k]
                n_spikes += 1
    record.starts[row + populations.number] = n_spikes
    return n_spikes, fullest

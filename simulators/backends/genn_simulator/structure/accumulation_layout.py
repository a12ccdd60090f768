"""What is compiled of a population whose spikes are made into sums while it runs, and the room that these take."""

from __future__ import annotations

from simulators.backends.genn_simulator.generated_code.accumulation_code import (
    ACCUMULATE,
    GATHER,
    GATHER_CODE,
    OF_WINDOW,
    TABLE_CODE,
    TABLE_FACTS,
    TERMS,
    WATCH,
    WATCH_CODE,
    WHOLE,
    accumulate_code,
    table_launch,
)
from simulators.backends.genn_simulator.structure.update_layout import UpdateLayout
from simulators.statistics.measures.accumulated import Plan

TRAINS = ("trains", "uint32_t")
"""Name and type of the array of neurons' own words."""

_MOST_PARTS = 1024  # threads that count the spikes of a chunk
_MOST_NUMBERS = 2**32  # of an array: it is indexed with 32 bits


def words_of(chunk_steps: int) -> int:
    """Words of 32 bits that hold a chunk of a neuron."""
    return -(-chunk_steps // 32)


def mark_parameters(size: int, chunk_steps: int) -> tuple[tuple[str, int], ...]:
    """Integers in the code that marks spikes."""
    return (("n_neurons", size), ("n_words", words_of(chunk_steps)))


def accumulation_updates(plan: Plan, batch: int, chunk_steps: int) -> tuple[UpdateLayout, ...]:
    """Return the updates that are launched at the end of every chunk, in this order.

    Raises
    ------
    ValueError
        If so many neurons in so many instances need more numbers than 32 bits can index.
    """
    most = most_points(plan, chunk_steps)
    if batch > most:
        raise ValueError(
            f"{batch} points of {plan.extent.size} neurons at once need arrays of "
            f"{float(batch * _largest_room(plan, chunk_steps)):.3g} numbers, more than 32 bits can index; "
            + (f"take a batch of at most {most}" if most else "keep whole trains (spikes = 'all')")
        )
    neurons = mark_parameters(plan.extent.size, chunk_steps)
    updates = [_update(WATCH, WATCH_CODE, (("parts", "uint32_t"),), (*neurons, ("n_parts", _n_parts(plan))))]
    for k, (groups, _) in enumerate(plan.tables):
        arrays = (("counts", "uint32_t"), ("facts", "int32_t"))
        updates.append(_update(table_launch(k), TABLE_CODE, arrays, (*neurons, ("n_groups", groups))))
    instances = ("n_instances", batch)
    if plan.sample.size:
        arrays = (("sampled", "uint32_t"), ("chosen", "uint32_t"))
        parameters = (*neurons, instances, ("n_sample", int(plan.sample.size)))
        updates.append(_update(GATHER, GATHER_CODE, arrays, parameters))
    held = (("whole", "uint32_t"), ("squares", "uint64_t"), ("terms", "double"))
    given = (("revision", "double"), ("facts", "int32_t"))
    code = accumulate_code(len(plan.windows))
    return (*updates, _update(ACCUMULATE, code, (*held, *given), (*neurons, instances)))


def most_points(plan: Plan, chunk_steps: int) -> int:
    """How many points at once have arrays that 32 bits can index; none where one already has too large ones."""
    return (_MOST_NUMBERS - 1) // _largest_room(plan, chunk_steps)


def _largest_room(plan: Plan, chunk_steps: int) -> int:
    """Numbers of a point in the largest array."""
    rooms = (room for rooms in rooms_of(plan, 1, chunk_steps).values() for room in rooms.values())
    return max(*rooms, words_of(chunk_steps) * plan.extent.size)


def rooms_of(plan: Plan, batch: int, chunk_steps: int) -> dict[str, dict[str, int]]:
    """Numbers in each array, by launch and name."""
    n_windows, size = len(plan.windows), plan.extent.size
    rooms = {
        WATCH: {"parts": batch * _n_parts(plan)},
        GATHER: {"sampled": batch * words_of(chunk_steps) * plan.sample.size, "chosen": int(plan.sample.size)},
        ACCUMULATE: {
            "whole": batch * size * (len(WHOLE) + n_windows * len(OF_WINDOW)),
            "squares": batch * size * (1 + n_windows),
            "terms": batch * size * len(TERMS),
            "revision": batch,
            "facts": 1 + 2 * n_windows,
        },
    }
    for k, (groups, width) in enumerate(plan.tables):
        # one at least, as GeNN makes no array without a number
        n_bins = max(1, plan.extent.n_steps // width)
        rooms[table_launch(k)] = {"counts": batch * groups * n_bins, "facts": len(TABLE_FACTS)}
    return rooms


def bytes_of(plan: Plan, chunk_steps: int) -> tuple[float, float]:
    """Return the memory of what is accumulated of a population of one point, B: in all, and of its sample's words."""
    rooms = {(launch, name): room for launch, of in rooms_of(plan, 1, chunk_steps).items() for name, room in of.items()}
    wide = ("squares", "terms", "revision")
    total = sum(room * (8.0 if name in wide else 4.0) for (_, name), room in rooms.items())
    return total, 4.0 * rooms[GATHER, "sampled"]


def _n_parts(plan: Plan) -> int:
    return min(plan.extent.size, _MOST_PARTS)


def _update(
    launch: str, code: str, arrays: tuple[tuple[str, str], ...], parameters: tuple[tuple[str, int], ...]
) -> UpdateLayout:
    # One of a group's variables has to be referred to, which says that it runs for every neuron of every instance
    return UpdateLayout(launch, code, ("threshold",), (), arrays, (TRAINS,), parameters)

"""The program of a network: its neuron models' step rules as Numba source, with the loop over steps around them.

The text depends on which models there are, which of their constants differ between neurons, and which kinds of input
arrive; all numbers are data. So points of a sweep, and most networks of a project, share one program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from simulators.backends.native_simulator.kernels.tables import STRETCH, STRETCH_LANES, unpacking
from simulators.backends.native_simulator.one_input import one_input
from simulators.neurons.neuron_model import SUFFIXES, NeuronModel, StepRule
from simulators.neurons.step_code import Assignment, assignments, expression, names_in, written

PLANES = ((0, 0), (2, 2), (3, 2), (4, 4))
"""Numbers of planes for which an update is made: excitatory, inhibitory."""

_LONG = 8  # lines of a step rule

_INPUTS = tuple(f"input_{suffix}" for suffix in SUFFIXES.values())
_FUNCTIONS = {"exp": "exponential", "min": "minimum", "max": "maximum"}

_HEAD = '''"""Made by gridsearch from neuron models; read once, compiled once per machine."""

import math

import numpy as np
from numba import njit

from simulators.backends.native_simulator.kernels.delivery import (
    deliver_jobs, deliver_rest, gather_planes, jobs_fit, most_jobs, push_jobs,
)
from simulators.backends.native_simulator.kernels.instructions import flush_denormals, restore_mode
from simulators.backends.native_simulator.kernels.lanes import (
    exponential, floats, load, load_mask, maximum, minimum, single, store, store_mask, where,
)
from simulators.backends.native_simulator.kernels.parts import part
from simulators.backends.native_simulator.kernels.random_streams import advanced_lanes, load_streams, store_streams
from simulators.backends.native_simulator.kernels.spikes import (
    drawn_counts, fire_sources, play_events, record_fired, used_lanes,
)
from simulators.backends.native_simulator.kernels.tables import (
    blocks_at, bundles_at, drives_at, neurons_at, populations_at, record_at, team_at,
)
from simulators.backends.native_simulator.kernels.teams import agree, exchange, own_list
'''

_RUN = '''

@njit(cache=True, nogil=True)
def run(table, n_spikes, begin, end):
    """Take the steps from `begin` to `end` - 1; return the first step not taken, and the number of spikes recorded."""
{unpacking}
    mode = flush_denormals()
    n_populations = populations.number
    step, fullest = begin, most_jobs(record)
    {meet}
    while step < end:
        row = (step - record.base) * (n_populations + 1)
        if n_spikes + populations.n_all > record.capacity{jobs_fit}:
            break
        {push_jobs}
        {own_list}
        for p in range(n_populations):
            record.starts[row + p] = n_own
            if populations.n_words[p] == 0:
                continue
            kind = populations.kinds[p]
            if kind == -2:
                if populations.begins[p] == 0:
                    n_own = play_events(p, step, drives, spikes, n_own)
                continue
            if kind == -1:
                fire_sources(p, populations, neurons, drives)
                n_own = record_fired(p, populations, neurons, spikes, n_own)
                continue
            release(p, kind, row, populations, neurons, record)
            {gather_planes}
{update}
            {deliver_rest}
            n_first, zero = n_own, populations.offsets[p] - populations.begins[p]
            n_own = record_fired(p, populations, neurons, spikes, n_own)
            for k in range(n_first, n_own):
                i = zero + spikes[k]
{reset}
        {deliver_jobs}
        {exchange}
        step += 1
    restore_mode(mode)
    return step, n_spikes


@part
def release(p, kind, row, populations, neurons, record):
    """Let those fire again whose refractory time is over."""
    first, end = populations.begins[p], populations.begins[p] + 32 * populations.n_words[p]
    zero, width = populations.offsets[p] - first, populations.number + 1
    shortest, longest = populations.shortest[p], populations.longest[p]
    for steps in range(shortest, longest + 1):
        before = row + p - (steps + 1) * width
        for k in range(record.starts[before], record.starts[before + 1]):
            if record.spikes[k] < first or record.spikes[k] >= end:
                continue
            i = zero + record.spikes[k]
            if shortest == longest or populations.refractory[i] == steps:
                word = i >> 4
                neurons.may_fire[word] = np.uint16(neurons.may_fire[word] | (1 << (i & 15)))
{let_go}
'''

_ALONE = {
    "meet": "",
    "own_list": "spikes, n_own = record.spikes, n_spikes",
    "exchange": """n_spikes = n_own
        record.starts[row + n_populations] = n_spikes
        fullest = most_jobs(record)""",
}
_TOGETHER = {
    "meet": """meeting = np.int64(1)
    fullest = agree(meeting, populations, record, team)""",
    "own_list": """meeting += 1
        spikes, n_own = team.spikes, own_list(meeting, team)""",
    "exchange": "n_spikes, fullest = exchange(meeting, row, n_spikes, n_own, populations, record, team)",
}


@dataclass(frozen=True)
class Kind:
    """Populations that one update moves.

    Parameters
    ----------
    model : NeuronModel
        Their model, which has a step.
    constants : tuple of str
        All constants of the step, in order.
    varied : tuple of str
        Those that differ between neurons.
    planes : bool
        Whether planes of bits arrive.
    driven : bool
        Whether there is a Poisson drive.
    joined : bool
        Whether the first input is the sum of both (`one_input`).
    """

    model: NeuronModel
    constants: tuple[str, ...]
    varied: tuple[str, ...]
    planes: bool
    driven: bool
    joined: bool

    @property
    def rule(self) -> StepRule:
        """The step."""
        assert self.model.step is not None
        return self.model.step

    @property
    def slots(self) -> tuple[str, ...]:
        """What the state holds of a neuron, in order."""
        return (*(_INPUTS[:1] if self.joined else _INPUTS), *self.rule.states)

    @property
    def lines(self) -> tuple[Assignment, ...]:
        """Lines of the step."""
        if not self.joined:
            return assignments(self.rule)
        found = one_input(self.rule, frozenset(self.constants))
        assert found is not None
        return found.lines


@lru_cache(maxsize=64)
def program(kinds: tuple[Kind, ...], any_blocks: bool, any_bundles: bool, together: bool) -> str:
    """Return the source of a network's program.

    Parameters
    ----------
    kinds : tuple of Kind
        By their number in `Populations.kinds`.
    any_blocks, any_bundles : bool
        Whether there are rows of bits, and compressed rows.
    together : bool
        Whether several threads run it.
    """
    run = _RUN.format(
        unpacking=unpacking(),
        update="\n".join(_choices(kinds, _update_calls, 12)),
        reset="\n".join(_choices(kinds, _reset_calls, 16)),
        let_go="\n".join(_choices(kinds, _let_go_calls, 16)),
        **(_TOGETHER if together else _ALONE),
        jobs_fit=" or not jobs_fit(step, fullest, populations, bundles, record)" if any_bundles else "",
        push_jobs="push_jobs(step, populations, bundles, record)" if any_bundles else "pass",
        gather_planes="gather_planes(p, step, populations, blocks, record)" if any_blocks else "pass",
        deliver_rest="deliver_rest(p, step, populations, neurons, blocks, record)" if any_blocks else "pass",
        deliver_jobs="deliver_jobs(step, populations, neurons, bundles, record)" if any_bundles else "pass",
    )
    updates = (
        _update(number, kind, *planes) for number, kind in enumerate(kinds) for planes in _plane_numbers(kind, kinds)
    )
    changes = [(number, kind, dict(kind.rule.reset), _on_release(kind)) for number, kind in enumerate(kinds)]
    resets = (_change("reset", number, kind, reset) for number, kind, reset, _ in changes if reset)
    lets = (_change("let_go", number, kind, let) for number, kind, _, let in changes if let)
    return "\n\n".join([_HEAD, *updates, *resets, *lets, run])


def runs_free(kind: Kind) -> bool:
    """Whether refractory neurons may move and be put back: what is held has no effect on what is not."""
    rule = kind.rule
    if rule.held != ("V",) or "V" not in rule.reset:
        return False
    if names_in(expression(rule.reset["V"])) - set(kind.constants):
        return False
    lines = {line.name: line for line in kind.lines}
    kept = [name for name in kind.slots if name != "V"]
    return not any("V" in _uses(f"next_{name}", lines) for name in kept)


def _uses(name: str, lines: dict[str, Assignment]) -> set[str]:
    """All names that a line's value depends on."""
    if name not in lines:
        return {name}
    return set().union(*(_uses(other, lines) for other in names_in(lines[name].expression) if other != name))


def _on_release(kind: Kind) -> dict[str, str]:
    return {"V": kind.rule.reset["V"]} if runs_free(kind) else {}


def _plane_numbers(kind: Kind, kinds: tuple[Kind, ...]) -> tuple[tuple[int, int], ...]:
    """Numbers of planes for which a kind has an update.

    Every one takes its time to be compiled, and planes of zeros cost little beside a long rule, be it another kind's.
    """
    if not kind.planes:
        return PLANES[:1]
    if len(kind.lines) >= _LONG:
        return PLANES[-1:]
    return (PLANES[0], PLANES[-1]) if any(len(other.lines) >= _LONG for other in kinds) else PLANES


def _own(name: str) -> str:
    # a model's names may be any: apart from those of the program
    return f"m_{name}"


def _update(number: int, kind: Kind, n_ex: int, n_in: int) -> str:
    lines = [
        "@part",
        f"def update_{number}_{n_ex}_{n_in}(p, populations, neurons, blocks, drives):",
        "    state, varied, scalars = neurons.state, neurons.varied, neurons.scalars",
        "    offset, n_all, first_scalar = populations.offsets[p], populations.n_all, p * neurons.n_scalars",
        "    m_dt = floats(scalars[first_scalar])",
    ]
    for index, name in enumerate(kind.constants, start=1):
        if name not in kind.varied:
            lines.append(f"    {_own(name)} = floats(scalars[first_scalar + {index}])")
    for receptor, count in enumerate((n_ex, n_in)):
        for k in range(count):
            place = f"{receptor} * blocks.most_planes + {k}"
            lines.append(f"    place_{receptor}_{k} = 2 * blocks.planes[{place}]")
            lines.append(f"    weight_{receptor}_{k} = floats(blocks.plane_weights[{place}])")
    if kind.driven:
        lines.append(
            "    first_ex, first_in, end_in = drives.first[3 * p], drives.first[3 * p + 1], drives.first[3 * p + 2]"
        )
    lines.append("    n_lanes = used_lanes(p, populations)")
    lines.append(f"    for begin in range(0, n_lanes, {STRETCH_LANES}):")
    if kind.driven:
        lines.append(f"        stream = 64 * ((offset + 16 * begin) >> {STRETCH})")
        lines.append("        streams = load_streams(drives.streams, stream)")
    lines.append(f"        for lane in range(begin, min(begin + {STRETCH_LANES}, n_lanes)):")
    lines += [f"            {line}" for line in _body(kind, n_ex, n_in)]
    if kind.driven:
        lines.append("        store_streams(drives.streams, stream, streams)")
    return "\n".join(lines)


def _body(kind: Kind, n_ex: int, n_in: int) -> Iterator[str]:
    yield "i = offset + 16 * lane"
    for slot, name in enumerate(kind.slots):
        yield f"{_own(name)} = load(state, {slot} * n_all + i)"
    for slot, name in enumerate(kind.varied):
        yield f"{_own(name)} = load(varied, {slot} * n_all + i)"
    for line in kind.lines:
        names = {name: _own(name) for name in names_in(line.expression)}
        yield f"{_own(line.name)} = floats({written(line.expression, names, _FUNCTIONS)})"
    for receptor, (name, count) in enumerate(zip(_INPUTS, (n_ex, n_in), strict=True)):
        arrived = _own(f"next_{kind.slots[0] if kind.joined else name}")
        for k in range(count):
            bits = f"load_mask(blocks.halves, place_{receptor}_{k} + lane)"
            yield f"{arrived} = where({bits}, {arrived} + weight_{receptor}_{k}, {arrived})"
        if kind.driven:
            begin, end = (("first_ex", "first_in"), ("first_in", "end_in"))[receptor]
            yield f"for draw in range({begin}, {end}):"
            yield "    random, streams = advanced_lanes(streams)"
            yield f"    {arrived} = {arrived} + drives.weights[draw] * drawn_counts(random, drives.tables, draw)"
    if not runs_free(kind):
        yield "moves = load_mask(neurons.may_fire, i >> 4)"
        for name in kind.rule.held:
            yield f"{_own(f'next_{name}')} = where(moves, {_own(f'next_{name}')}, {_own(name)})"
    for slot, name in enumerate(kind.slots):
        yield f"store(state, {slot} * n_all + i, {_own(f'next_{name}')})"
    yield f"store_mask(neurons.fired, i >> 4, {_own('next_V')} >= {_own(kind.rule.threshold)})"


def _change(what: str, number: int, kind: Kind, changes: dict[str, str]) -> str:
    """Function that changes states of one neuron."""
    lines = [
        "@part",
        f"def {what}_{number}(p, i, populations, neurons):",
        "    state, varied, scalars = neurons.state, neurons.varied, neurons.scalars",
        "    n_all, first_scalar = populations.n_all, p * neurons.n_scalars",
    ]
    used = set().union(*(names_in(expression(text)) for text in changes.values()))
    if "dt" in used:
        lines.append("    m_dt = scalars[first_scalar]")
    for slot, name in enumerate(kind.slots):
        if name in used:
            lines.append(f"    {_own(name)} = state[{slot} * n_all + i]")
    for index, name in enumerate(kind.constants, start=1):
        if name in used and name not in kind.varied:
            lines.append(f"    {_own(name)} = scalars[first_scalar + {index}]")
    for slot, name in enumerate(kind.varied):
        if name in used:
            lines.append(f"    {_own(name)} = varied[{slot} * n_all + i]")
    for name, text in changes.items():
        value = expression(text)
        names = {one: _own(one) for one in names_in(value)}
        lines.append(f"    new_{name} = {written(value, names, {'exp': 'math.exp', 'min': 'min', 'max': 'max'})}")
    lines += [f"    state[{kind.slots.index(name)} * n_all + i] = single(new_{name})" for name in changes]
    return "\n".join(lines)


def _choices(
    kinds: tuple[Kind, ...], calls: Callable[[int, tuple[Kind, ...]], Iterator[str]], margin: int
) -> Iterator[str]:
    """Lines that choose by the number of a population's kind."""
    for number in range(len(kinds)):
        yield f"{' ' * margin}{'el' if number else ''}if kind == {number}:"
        yield from (f"{' ' * margin}    {line}" for line in calls(number, kinds))
    if not kinds:
        yield f"{' ' * margin}pass"


def _update_calls(number: int, kinds: tuple[Kind, ...]) -> Iterator[str]:
    arguments = "(p, populations, neurons, blocks, drives)"
    *fewer, (most_ex, most_in) = _plane_numbers(kinds[number], kinds)
    word = "if"
    for n_ex, n_in in fewer:
        yield f"{word} blocks.plane_counts[0] <= {n_ex} and blocks.plane_counts[1] <= {n_in}:"
        yield f"    update_{number}_{n_ex}_{n_in}{arguments}"
        word = "elif"
    if fewer:
        yield "else:"
    yield f"{'    ' if fewer else ''}update_{number}_{most_ex}_{most_in}{arguments}"


def _reset_calls(number: int, kinds: tuple[Kind, ...]) -> Iterator[str]:
    yield f"reset_{number}(p, i, populations, neurons)" if kinds[number].rule.reset else "pass"


def _let_go_calls(number: int, kinds: tuple[Kind, ...]) -> Iterator[str]:
    yield f"let_go_{number}(p, i, populations, neurons)" if _on_release(kinds[number]) else "pass"

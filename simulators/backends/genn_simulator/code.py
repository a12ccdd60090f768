"""Code of neurons, synapses and connectivity in GeNN's C-like language, as text.

A step is cut in two. `integration_code` propagates all neurons; it has no branch and no call, so that the compiler can
turn it into vector instructions, which GeNN's own loop over neurons (it may emit a spike at every turn) never
becomes. What is left to that loop is one comparison (`THRESHOLD_CODE`).

Every value that may differ between points is a variable, not a constant of the code: one value per instance of a
batch, or one per neuron. Sums carry the tiny current `REST`, far below anything that matters, in place of zero:
without it, the currents of a silent network decay into denormal numbers, which processors handle many times slower.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simulators.description.distributions import Normal, Uniform
from simulators.description.network import Pairs, Receptor

_UNBOUNDED = 1e30
REST = 1e-30  # pA or nS, and mV per step

# Variables: what the state of a neuron is, and what is constant during a point.
STATES = ("V", "refractory")
SUFFIXES: dict[Receptor, str] = {"excitatory": "ex", "inhibitory": "in"}

_SPIKING = ("V_th", "V_reset", "refractory_steps", "drift")

CONSTANTS = {
    "lif_psc_exp": (*_SPIKING, "decay_m", "decay_ex", "decay_in", "gain_ex", "gain_in"),
    "lif_cond_exp": (*_SPIKING, "leak", "inverse_C", "half_decay_ex", "half_decay_in", "reversal_ex", "reversal_in"),
}

THRESHOLD_CODE = "V >= (scalar)V_th"

# The membrane follows the exact solution of the subthreshold equation over one step, its synaptic current taken at
# the start of the step. This is the order of NEST's iaf_psc_exp.
_CURRENT_BASED = "const scalar moved = {decay_m} * start + {drift} + {gain_ex} * input_ex + {gain_in} * input_in;"

# Classical Runge–Kutta; conductances are known exactly at the start, the middle and the end of the step.
_CONDUCTANCE_BASED = """
const scalar middle_ex = {half_decay_ex} * input_ex;
const scalar middle_in = {half_decay_in} * input_in;
const scalar end_ex = {half_decay_ex} * middle_ex;
const scalar end_in = {half_decay_in} * middle_in;
const scalar rate_0 = {leak} + {inverse_C} * (input_ex + input_in);
const scalar rate_1 = {leak} + {inverse_C} * (middle_ex + middle_in);
const scalar rate_2 = {leak} + {inverse_C} * (end_ex + end_in);
const scalar pull_0 = {drift} + {inverse_C} * (input_ex * {reversal_ex} + input_in * {reversal_in});
const scalar pull_1 = {drift} + {inverse_C} * (middle_ex * {reversal_ex} + middle_in * {reversal_in});
const scalar pull_2 = {drift} + {inverse_C} * (end_ex * {reversal_ex} + end_in * {reversal_in});
const scalar slope_0 = pull_0 - rate_0 * start;
const scalar slope_1 = pull_1 - rate_1 * (start + 0.5 * dt * slope_0);
const scalar slope_2 = pull_1 - rate_1 * (start + 0.5 * dt * slope_1);
const scalar slope_3 = pull_2 - rate_2 * (start + dt * slope_2);
const scalar moved = start + dt * (slope_0 + 2.0 * (slope_1 + slope_2) + slope_3) / 6.0;
"""

_INTEGRATION = """
const bool fired = V >= {V_th};
const scalar start = fired ? {V_reset} : V;
const scalar waiting = fired ? {refractory_steps} : refractory;
{propagate}
V = (waiting > 0.0) ? start : moved;
refractory = (waiting > 1.0) ? (waiting - 1.0) : 0.0;
{decay}
"""


def _right(value: str, places: int) -> str:
    # GeNN 5.4 does not understand the right shift of C; compilers turn this division into one.
    return f"({value} / ((uint64_t)1 << {places}))"


def _word(value: int) -> str:
    # nor literals of 64 bits
    return f"((((uint64_t){value >> 32:#x}U) << 32) | {value & 0xFFFFFFFF:#x}U)"


_GOLDEN = _word(0x9E3779B97F4A7C15)

# The finaliser of splitmix64 (Steele, Lea & Flood 2014) over a counter: passes the usual batteries, and is the same on
# every backend, so that connectivity depends on the seed alone and no seed is part of the compiled code.
_MIX = f"""
mixed = (mixed ^ {_right("mixed", 30)}) * {_word(0xBF58476D1CE4E5B9)};
mixed = (mixed ^ {_right("mixed", 27)}) * {_word(0x94D049BB133111EB)};
mixed = mixed ^ {_right("mixed", 31)};
"""

_STEP_GENERATOR = f"""
{{state}} = {{state}} + {_GOLDEN};
uint64_t mixed = {{state}};
{_MIX}
const uint32_t random = (uint32_t){_right("mixed", 32)};
"""

_UNIFORM = "((scalar)random + 0.5) * 2.3283064365386963e-10"

# Every row or column has its own stream, from the key of the projection and the index.
_START_GENERATOR = f"""
uint64_t state = key[0];
{{{{
uint64_t mixed = key[0] + ((uint64_t){{index}} + 1) * {_GOLDEN};
{_MIX}
state = mixed * {_word(0xD1342543DE82EF95)};
}}}}
"""

_POISSON_DRIVE = """
scalar count_{drive} = 0.0;
{{
{generator}
const scalar level = {uniform};
scalar term = (scalar)silence_{drive};
scalar reached = term;
while((level > reached) && ((count_{drive} < (scalar)mean_{drive}) || (term > 1e-10))) {{
count_{drive} += 1.0;
term *= (scalar)mean_{drive} / count_{drive};
reached += term;
}}
}}
"""

SOURCE_CODE = f"""
{_STEP_GENERATOR.format(state="generator")}
level = {_UNIFORM};
"""

SOURCE_THRESHOLD_CODE = "level < (scalar)probability"


def pulse_code(individual_weight: bool, individual_delay: bool, delayed: bool) -> str:
    """Code that delivers a spike to a synapse's target.

    Parameters
    ----------
    individual_weight, individual_delay : bool
        Every synapse has its own; else a weight is one number per instance, and a delay one number.
    delayed : bool
        Deliver through the target's delay buffer, as individual delays need; else the source's spikes wait.
    """
    weight = "weight" if individual_weight else "(scalar)weight[batch]"
    if not delayed:
        return f"addToPost({weight});"
    return f"addToPostDelay({weight}, {'(uint32_t)lag' if individual_delay else 'lag'});"


_DRAW_UNIFORM = """
{generator}
const scalar drawn = {low!r} + {width!r} * ({uniform});
"""

# Box–Muller, redrawn until inside the bounds
_DRAW_NORMAL = """
scalar drawn = 0.0;
bool outside = true;
while(outside) {{
scalar radius = 0.0;
{{
{generator}
radius = sqrt(-2.0 * log({uniform}));
}}
{generator}
drawn = {mean!r} + {sd!r} * radius * cos(6.283185307179586 * ({uniform}));
outside = (drawn < {low!r}) || (drawn > {high!r});
}}
"""


def synapse_value_code(distribution: Uniform | Normal, expression: str) -> str:
    """Code that draws a weight or delay of a synapse, from a stream of its own for each pair of neurons.

    Parameters
    ----------
    distribution : Uniform or Normal
        What ``drawn`` is distributed like.
    expression : str
        What becomes of ``drawn``.
    """
    generator = _STEP_GENERATOR.format(state="state")
    if isinstance(distribution, Uniform):
        width = distribution.high - distribution.low
        drawing = _DRAW_UNIFORM.format(low=distribution.low, width=width, generator=generator, uniform=_UNIFORM)
    else:
        drawing = _DRAW_NORMAL.format(
            mean=distribution.mean,
            sd=distribution.sd,
            low=max(distribution.low, -_UNBOUNDED),
            high=min(distribution.high, _UNBOUNDED),
            generator=generator,
            uniform=_UNIFORM,
        )
    start = _START_GENERATOR.format(index="id_pre * num_post + id_post")
    return f"{start}{drawing}value = {expression};"


@dataclass(frozen=True)
class Drive:
    """A Poisson drive as the code of its target sees it.

    Parameters
    ----------
    index : int
        Distinguishes the variables of several drives.
    receptor : {'excitatory', 'inhibitory'}
        What it acts on.
    """

    index: int
    receptor: Receptor

    @property
    def constants(self) -> tuple[str, str, str]:
        """Names of mean count per step, probability of none, and weight."""
        return (f"mean_{self.index}", f"silence_{self.index}", f"strength_{self.index}")

    @property
    def generator(self) -> str:
        """Name of the state of its random generators."""
        return f"generator_{self.index}"


def integration_code(neuron: str, drives: Sequence[Drive]) -> str:
    """Code that propagates a neuron by one step; spikes then add to its ``input_ex`` and ``input_in``.

    Parameters
    ----------
    neuron : str
        A key of `CONSTANTS`.
    drives : sequence of Drive
        Poisson drives.
    """
    constants = {name: f"(scalar){name}" for name in CONSTANTS[neuron]}
    propagate = (_CURRENT_BASED if neuron == "lif_psc_exp" else _CONDUCTANCE_BASED).format_map(constants)
    lines = []
    for drive in drives:
        generator = _STEP_GENERATOR.format(state=drive.generator)
        lines.append(_POISSON_DRIVE.format(drive=drive.index, generator=generator, uniform=_UNIFORM))
    for receptor, suffix in SUFFIXES.items():
        decayed = f"(scalar)decay_{suffix} * input_{suffix}"
        if neuron == "lif_cond_exp":
            decayed = f"end_{suffix}"
        drawn = [f"(scalar)strength_{d.index} * count_{d.index}" for d in drives if d.receptor == receptor]
        lines.append(f"input_{suffix} = {' + '.join([decayed, str(REST), *drawn])};")
    return _INTEGRATION.format(propagate=propagate, decay="\n".join(lines), **constants)


def _candidates(pairs: Pairs, itself: bool, row: bool) -> str:
    """Code for the neurons a row (or column) may connect to: from `base`, `count` of them, but for a hole.

    A candidate at or after `hole` is the one `skip` neurons further on, which leaves out exactly the autapse
    or the neuron's own cluster.
    """
    index, other, size, peers = (
        ("id_pre", "num_post", "target_cluster", "source_cluster")
        if row
        else ("id_post", "num_pre", "source_cluster", "target_cluster")
    )
    if pairs == "between":
        return f"""
const uint32_t base = 0U;
const uint32_t hole = (({index} / {peers}) * {size});
const uint32_t skip = {size};
const uint32_t count = {other} - {size};
"""
    itself_only = f"""
const uint32_t hole = {index if itself else "0xFFFFFFFFU"};
const uint32_t skip = {"1U" if itself else "0U"};
"""
    if pairs == "within":
        return f"""
const uint32_t base = ({index} / {peers}) * {size};
const uint32_t count = {size} - {"1U" if itself else "0U"};
{itself_only}"""
    return f"""
const uint32_t base = 0U;
const uint32_t count = {other} - {"1U" if itself else "0U"};
{itself_only}"""


_ADD = """
const uint32_t found = base + {place};
addSynapse((found >= hole) ? (found + skip) : found);
"""


_ANY_CANDIDATE = f"(uint32_t){_right('((uint64_t)random * (uint64_t)count)', 32)}"


def bernoulli_code(pairs: Pairs, itself: bool) -> str:
    """Row of a projection that connects each pair with one probability, by geometrically distributed gaps.

    Parameters
    ----------
    pairs : {'all', 'within', 'between'}
        Which clusters are connected.
    itself : bool
        Source and target are the same population: leave out autapses.
    """
    return f"""
{_START_GENERATOR.format(index="id_pre")}
{_candidates(pairs, itself, row=True)}
uint32_t place = 0U;
uint32_t made = 0U;
while(made < row_limit) {{
{_STEP_GENERATOR.format(state="state")}
const scalar gap = log({_UNIFORM}) * gap_scale;
if(gap >= (scalar)(count - place)) {{
break;
}}
place += (uint32_t)gap;
if(place >= count) {{
break;
}}
{_ADD.format(place="place")}
place += 1U;
made += 1U;
if(place >= count) {{
break;
}}
}}
"""


def fixed_indegree_code(pairs: Pairs, itself: bool) -> str:
    """Column of a projection in which each target draws a fixed number of sources, with replacement."""
    return f"""
{_START_GENERATOR.format(index="id_post")}
{_candidates(pairs, itself, row=False)}
for(uint32_t k = 0U; k < indegree; k++) {{
{_STEP_GENERATOR.format(state="state")}
{_ADD.format(place=_ANY_CANDIDATE)}
}}
"""


def fixed_total_number_code(pairs: Pairs, itself: bool) -> str:
    """Row of a projection with a fixed number of synapses; how many fall to the row is drawn beforehand."""
    return f"""
{_START_GENERATOR.format(index="id_pre")}
{_candidates(pairs, itself, row=True)}
for(uint32_t k = 0U; k < row_counts[id_pre]; k++) {{
{_STEP_GENERATOR.format(state="state")}
{_ADD.format(place=_ANY_CANDIDATE)}
}}
"""

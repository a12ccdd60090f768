"""Code of synapses in GeNN's C-like language: what a spike does, and which weights and delays are drawn.

Everything that is drawn comes from streams of the projection's ``key``, and the parameters of a distribution are an
array as well (``given``): neither seed nor distribution is part of the compiled code.
"""

from __future__ import annotations

from simulators.backends.genn_simulator.generated_code.random_code import NEXT_RANDOM, UNIFORM, filled, start_stream
from simulators.description.distributions import Normal, Uniform

_UNBOUNDED = 1e30


def delivery_code(own_weight: bool, own_delay: bool, buffered: bool) -> str:
    """Code that delivers a spike to a synapse's target.

    Generates one of ::

        addToPost((scalar)scale[batch]);
        addToPost((scalar)scale[batch] * weight);
        addToPostDelay((scalar)scale[batch] * weight, (uint32_t)delay);

    Parameters
    ----------
    own_weight, own_delay : bool
        Every synapse has its own, a weight being multiplied by the ``scale`` of each instance of a batch; else the
        scale is the weight, and a delay one number.
    buffered : bool
        Deliver through the target's delay buffer, as own delays need; else the source's spikes wait.
    """
    weight = "(scalar)scale[batch]" + (" * weight" if own_weight else "")
    if not buffered:
        return f"addToPost({weight});"
    return f"addToPostDelay({weight}, {'(uint32_t)delay' if own_delay else 'delay'});"


_UNIFORM_VALUE = filled(
    """
$next_random
const scalar drawn = given[0] + given[1] * ($uniform);
""",
    next_random=NEXT_RANDOM,
    uniform=UNIFORM,
)

# Box–Muller, redrawn until inside the bounds; what is not a number is not inside
_NORMAL_VALUE = filled(
    """
scalar drawn = 0.0;
bool inside = false;
while(!inside) {
scalar radius = 0.0;
{
$next_random
radius = sqrt(fmax(-2.0 * log($uniform), 0.0));
}
$next_random
drawn = given[0] + given[1] * radius * cos(6.283185307179586 * ($uniform));
inside = (drawn >= given[2]) && (drawn <= given[3]);
}
""",
    next_random=NEXT_RANDOM,
    uniform=UNIFORM,
)

PAIR = "id_pre * num_post + id_post"
"""Index of a synapse's stream where a pair of neurons has at most one synapse."""
PLACE = "id_syn"
"""Index of a synapse's stream where a pair may have several, each with a weight and delay of its own."""


def drawn_value_code(distribution: Uniform | Normal, stream: str, expression: str) -> str:
    """Code that draws the weight or delay of a synapse, from a stream of its own.

    Generates, for a uniform distribution, a started stream (`start_stream`) and ::

        const scalar drawn = given[0] + given[1] * (uniform number in (0, 1]);
        value = EXPRESSION;

    Parameters
    ----------
    distribution : Uniform or Normal
        What ``drawn`` is distributed like; its numbers (`distribution_values`) are not part of the code.
    stream : str
        `PAIR` or `PLACE`.
    expression : str
        What becomes of ``drawn``.
    """
    drawing = _UNIFORM_VALUE if isinstance(distribution, Uniform) else _NORMAL_VALUE
    return f"{start_stream(stream)}{drawing}value = {expression};"


def distribution_values(distribution: Uniform | Normal) -> list[float]:
    """Numbers of a distribution, as `drawn_value_code` reads them."""
    if isinstance(distribution, Uniform):
        return [distribution.low, distribution.high - distribution.low]
    low, high = max(distribution.low, -_UNBOUNDED), min(distribution.high, _UNBOUNDED)
    return [distribution.mean, distribution.sd, low, high]

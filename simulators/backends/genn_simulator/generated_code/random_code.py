"""Code of random numbers in GeNN's C-like language: streams that are the same on every backend.

Seeds are data that a compiled model is handed, never part of its code, so that no seed compiles anew. GeNN 5.4
understands neither the right shift of C, which compilers make of a division, nor literals of 64 bits.
"""

from __future__ import annotations

from functools import cache
from string import Template

RANDOM_STATE = ("random_a", "random_b")
"""Variables of a neuron's own generator, two words of 32 bits."""

UNIFORM = "((scalar)random + 0.5) * 2.3283064365386963e-10"
"""A number in (0, 1] from ``random``, 32 bits of `next_random`."""


def filled(text: str, **names: str) -> str:
    """Put texts in place of ``$name``.

    Raises
    ------
    KeyError
        If the text has a ``$name`` that is not given.
    """
    return Template(text).substitute(names)


def _word(value: int) -> str:
    return f"((((uint64_t){value >> 32:#x}U) << 32) | {value & 0xFFFFFFFF:#x}U)"


def _upper_bits(value: str, shift: int) -> str:
    return f"({value} / ((uint64_t)1 << {shift}))"


def rotated_left(value: str, places: int) -> str:
    """Code of 32 bits turned round by some places."""
    return f"(({value} << {places}) | ({value} / {1 << (32 - places)}U))"


_WEYL = _word(0x9E3779B97F4A7C15)

# The finaliser of splitmix64 (Steele, Lea & Flood 2014), which passes the usual batteries over a counter
_MIX = filled(
    """
mixed = (mixed ^ $bits30) * $factor1;
mixed = (mixed ^ $bits27) * $factor2;
mixed = mixed ^ $bits31;
""",
    bits30=_upper_bits("mixed", 30),
    bits27=_upper_bits("mixed", 27),
    bits31=_upper_bits("mixed", 31),
    factor1=_word(0xBF58476D1CE4E5B9),
    factor2=_word(0x94D049BB133111EB),
)


@cache
def start_stream(index: str) -> str:
    """Code that starts a stream of its own for a row, a column or a synapse.

    Generates, with ``mix`` the finaliser of splitmix64 ::

        uint64_t state = mix(key[0] + (index + 1) * WEYL) * FACTOR;

    Parameters
    ----------
    index : str
        An expression of 32 or 64 bits: which stream of the projection's `key`.
    """
    return filled(
        """
uint64_t state = key[0];
{
uint64_t mixed = key[0] + ((uint64_t)$index + 1) * $weyl;
$mix
state = mixed * $factor;
}
""",
        index=index,
        weyl=_WEYL,
        mix=_MIX,
        factor=_word(0xD1342543DE82EF95),
    )


NEXT_RANDOM = filled(
    """
state = state + $weyl;
uint64_t mixed = state;
$mix
const uint32_t random = (uint32_t)$bits;
""",
    weyl=_WEYL,
    mix=_MIX,
    bits=_upper_bits("mixed", 32),
)
"""Code that goes on with a stream of `start_stream`, and leaves 32 bits in ``random``."""


def next_of_neuron(suffix: str = "") -> str:
    """Code that goes on with a neuron's own generator, and leaves 32 bits in ``random``, signed.

    xoroshiro64** (Blackman & Vigna 2018): all of it in words of 32 bits, which a loop over neurons can do eight at a
    time. Generates ::

        random = rotated_left(random_a * 0x9E3779BB, 5) * 5;
        difference = random_b ^ random_a;
        random_a = rotated_left(random_a, 26) ^ difference ^ (difference << 9);
        random_b = rotated_left(difference, 13);

    Parameters
    ----------
    suffix : str
        Ends the names of the generator's words and of ``random``, where a neuron has several.

    References
    ----------
    Blackman, D., & Vigna, S. (2021). Scrambled linear pseudorandom number generators. ACM Transactions on Mathematical
    Software 47, 1–32.
    """
    return filled(
        """
const uint32_t product$s = random_a$s * 0x9E3779BBU;
const int32_t random$s = (int32_t)($scrambled * 5U);
const uint32_t difference$s = random_b$s ^ random_a$s;
random_a$s = $turned ^ difference$s ^ (difference$s << 9);
random_b$s = $turned_difference;
""",
        s=suffix,
        scrambled=rotated_left(f"product{suffix}", 5),
        turned=rotated_left(f"random_a{suffix}", 26),
        turned_difference=rotated_left(f"difference{suffix}", 13),
    )

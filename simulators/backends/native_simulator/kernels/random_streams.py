"""Streams of random numbers, each from a key and a place: whatever is drawn depends on nothing else.

Scalars come from splitmix64 (Steele, Lea & Flood 2014), lanes from sixteen generators xoshiro128++ (Blackman & Vigna
2021) side by side.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from simulators.backends.native_simulator.kernels.lanes import lane_numbers, load, store, words
from simulators.backends.native_simulator.kernels.parts import part, within

_U = np.uint64
_GOLDEN = _U(0x9E3779B97F4A7C15)
_FIRST, _SECOND = _U(0xBF58476D1CE4E5B9), _U(0x94D049BB133111EB)
_STREAM = _U(0xD1342543DE82EF95)


@within
def mixed(word):
    """Finaliser of splitmix64."""
    word = (word ^ (word >> _U(30))) * _FIRST
    word = (word ^ (word >> _U(27))) * _SECOND
    return word ^ (word >> _U(31))


@njit(inline="always")
def stream(key, place):
    """First state of the stream of a row, column or neuron."""
    return mixed(key + (_U(place) + _U(1)) * _GOLDEN) * _STREAM


@njit(inline="always")
def advanced(state):
    """Next state of a stream; `mixed` makes a random number of it."""
    return state + _GOLDEN


@njit(inline="always")
def ahead(state, count):
    """State of a stream `count` random numbers further on."""
    return state + _U(count) * _GOLDEN


@njit(inline="always")
def below(random, count):
    """Whole number from 0 to count - 1 from the upper half of a random one; `count` is below 2³²."""
    return ((random >> _U(32)) * _U(count)) >> _U(32)


@within
def _mixed_lanes(word):
    word = (word ^ (word >> 16)) * 0x7FEB352D
    word = (word ^ (word >> 15)) * 0x846CA68B
    return word ^ (word >> 16)


@within
def _first_lanes(state):
    low, high = state & _U(0xFFFFFFFF), state >> _U(32)
    return _mixed_lanes(_mixed_lanes(lane_numbers() * 0x9E3779B1 + low) + high)


@part
def lane_streams(key, place):
    """Sixteen generators for a key and a place, as four words per lane."""
    first = advanced(stream(key, place))
    second = advanced(first)
    third = advanced(second)
    return (
        _first_lanes(mixed(first)),
        _first_lanes(mixed(second)),
        _first_lanes(mixed(third)),
        _first_lanes(mixed(advanced(third))),
    )


@njit(inline="always")
def _rotated(word, places):
    return (word << places) | (word >> (32 - places))


@within
def advanced_lanes(streams):
    """Sixteen random words, and the generators' next state."""
    a, b, c, d = streams
    random = _rotated(a + d, 7) + a
    shifted = b << 9
    c = c ^ a
    d = d ^ b
    b = b ^ c
    a = a ^ d
    c = c ^ shifted
    return random, (a, b, c, _rotated(d, 11))


@njit(inline="always")
def load_streams(array, index):
    """Generators from 64 words of an array."""
    return (load(array, index), load(array, index + 16), load(array, index + 32), load(array, index + 48))


@njit(inline="always")
def store_streams(array, index, streams):
    """Keep generators in 64 words of an array."""
    store(array, index, words(streams[0]))
    store(array, index + 16, words(streams[1]))
    store(array, index + 32, words(streams[2]))
    store(array, index + 48, words(streams[3]))

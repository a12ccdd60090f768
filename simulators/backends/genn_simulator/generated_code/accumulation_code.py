"""Code in GeNN's C-like language that makes sums of spikes where they are, so that no spikes are fetched.

At a spike, a neuron sets one bit of a word that is its own alone (``trains``): nothing is shared between threads. When
a chunk of steps is over, a few updates read these words: numbers of spikes of the chunk (`WATCH_CODE`), counts of
groups of neurons in bins (`TABLE_CODE`), the words of a sample of neurons (`GATHER_CODE`); and the last of them, a
neuron at a time, goes through its own spikes, adds to its sums, and clears its words (`accumulate_code`). Every number
that is written has one thread that writes it.
"""

from __future__ import annotations

from functools import cache

from simulators.backends.genn_simulator.generated_code.random_code import filled

WATCH = "watch"
GATHER = "gather"
ACCUMULATE = "accumulate"


def table_launch(index: int) -> str:
    """Name under which GeNN launches the counting of one of the tables."""
    return f"count_{index}"


WHOLE = ("count", "first", "last", "previous")
"""Whole numbers of a neuron: its spikes, steps of the first and the last one, its last interval."""
OF_WINDOW = ("current", "in_current", "inside")
"""And for each width of windows: the window of its last spike, its spikes there, and those in any window."""
TERMS = ("contrasts", "squared_contrasts", "revised_contrasts")
"""Sums over pairs of intervals."""

MARK_CODE = """
const uint32_t row = (uint32_t)(t / dt + 0.5);
trains[(batch * n_words + row / 32U) * n_neurons + id] |= 1U << (row % 32U);
"""
"""What a neuron does when it spikes; rows are steps since the begin of the chunk."""

_ADD_BITS = """
word = word - ((word / 2U) & 0x55555555U);
word = (word & 0x33333333U) + ((word / 4U) & 0x33333333U);
total += (((word + word / 16U) & 0x0F0F0F0FU) * 0x01010101U) / 16777216U;
"""

WATCH_CODE = filled(
    """
if (id < n_parts) {
    uint32_t total = 0U;
    for (uint32_t place = 0U; place < n_words; place++) {
        for (uint32_t neuron = id; neuron < n_neurons; neuron += n_parts) {
            uint32_t word = trains[(batch * n_words + place) * n_neurons + neuron];
            if (word != 0U) {
                $add
            }
        }
    }
    parts[batch * n_parts + id] = total;
}
""",
    add=_ADD_BITS,
)
"""Spikes of a chunk, in parts that the host sums up."""

TABLE_FACTS = ("offset", "n_rows", "width", "n_bins", "first_bin", "n_here")
"""Of a chunk: step of its first row since the end of the warm-up, its rows; bins of the table, and those it touches."""

TABLE_CODE = filled(
    """
const int32_t offset = facts[0];
const int32_t n_rows = facts[1];
const int32_t width = facts[2];
const uint32_t n_bins = (uint32_t)facts[3];
const uint32_t n_here = (uint32_t)facts[5];
const uint32_t share = n_neurons / n_groups;
for (uint32_t cell = id; cell < n_groups * n_here; cell += n_neurons) {
    const uint32_t group = cell / n_here;
    const int32_t bin = facts[4] + (int32_t)(cell % n_here);
    const int32_t begin = (bin * width > offset) ? (bin * width - offset) : 0;
    const int32_t end = ((bin + 1) * width < offset + n_rows) ? ((bin + 1) * width - offset) : n_rows;
    uint32_t total = 0U;
    for (int32_t place = begin / 32; place * 32 < end; place++) {
        uint32_t mask = 0xFFFFFFFFU;
        if (end - place * 32 < 32) {
            mask = (1U << (end - place * 32)) - 1U;
        }
        if (begin > place * 32) {
            mask &= ~((1U << (begin - place * 32)) - 1U);
        }
        for (uint32_t neuron = group * share; neuron < (group + 1U) * share; neuron++) {
            uint32_t word = trains[(batch * n_words + (uint32_t)place) * n_neurons + neuron] & mask;
            if (word != 0U) {
                $add
            }
        }
    }
    counts[(batch * n_groups + group) * n_bins + (uint32_t)bin] += total;
}
""",
    add=_ADD_BITS,
)
"""Spikes of groups of neighbouring neurons in bins; a bin that chunks share is added to by each."""

GATHER_CODE = """
if (id < n_sample) {
    for (uint32_t place = 0U; place < n_words; place++) {
        sampled[(place * n_instances + batch) * n_sample + id] =
            trains[(batch * n_words + place) * n_neurons + chosen[id]];
    }
}
"""
"""Words of the neurons that stand for all."""


@cache
def accumulate_code(n_windows: int) -> str:
    """Code that adds a neuron's spikes of a chunk to its sums, and clears them.

    Reads ``facts``: step of the first row since the end of the warm-up, then width and number of the windows of each
    kind; and ``revision``, four times the refractory time in steps, of each instance.

    Parameters
    ----------
    n_windows : int
        Kinds of windows.
    """
    names = [*WHOLE, *(f"{name}_{k}" for k in range(n_windows) for name in OF_WINDOW)]
    squares = ["interval_squares", *(f"window_squares_{k}" for k in range(n_windows))]
    held = [("uint32_t", "whole", names), ("uint64_t", "squares", squares), ("double", "terms", list(TERMS))]
    places = [
        (kind, name, f"{array}[({k}U * n_instances + batch) * n_neurons + id]")
        for kind, array, held_names in held
        for k, name in enumerate(held_names)
    ]
    windows = "\n".join(
        filled(
            """
                const uint32_t window_$k = step / (uint32_t)facts[$width];
                if (window_$k < (uint32_t)facts[$number]) {
                    if (window_$k != current_$k) {
                        window_squares_$k += (uint64_t)in_current_$k * (uint64_t)in_current_$k;
                        current_$k = window_$k;
                        in_current_$k = 0U;
                    }
                    in_current_$k += 1U;
                    inside_$k += 1U;
                }""",
            k=str(k),
            width=str(1 + 2 * k),
            number=str(2 + 2 * k),
        )
        for k in range(n_windows)
    )
    return filled(
        """
$load
for (uint32_t place = 0U; place < n_words; place++) {
    const uint32_t word = trains[(batch * n_words + place) * n_neurons + id];
    if (word != 0U) {
        for (uint32_t bit = 0U; bit < 32U; bit++) {
            const int32_t since = facts[0] + (int32_t)(place * 32U + bit);
            if ((word & (1U << bit)) != 0U && since >= 0) {
                const uint32_t step = (uint32_t)since;
                if (count == 0U) {
                    first = step;
                }
                else {
                    const uint32_t interval = step - last;
                    interval_squares += (uint64_t)interval * (uint64_t)interval;
                    if (count > 1U) {
                        const double both = (double)previous + (double)interval;
                        const double contrast = ((double)previous - (double)interval) / both;
                        contrasts += fabs(contrast);
                        squared_contrasts += contrast * contrast;
                        revised_contrasts += (1.0 + revision[batch] / both) * contrast * contrast;
                    }
                    previous = interval;
                }
                last = step;
                count += 1U;
$windows
            }
        }
        trains[(batch * n_words + place) * n_neurons + id] = 0U;
    }
}
$store
""",
        load="\n".join(f"{kind} {name} = {place};" for kind, name, place in places),
        windows=windows,
        store="\n".join(f"{place} = {name};" for _, name, place in places),
    )

"""Draw what the layer of a stored point does: spikes by column over time, and where they are in 50 ms.

python draw_layer.py results/moving_bump 6f3a layer.png     # the begin of a point's id
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import analysis

WINDOW = (400.0, 450.0)  # ms


def main() -> None:
    """Read the arguments, and draw."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("run", type=Path, help="folder of the run")
    parser.add_argument("point", help="its id, or the begin of it")
    parser.add_argument("figure", type=Path, help="PNG to draw")
    given = parser.parse_args()
    spikes = analysis.read_spikes(given.run, given.point)
    (name,) = spikes.times
    side = round(spikes.sizes[name] ** 0.5)
    times, rows, columns = spikes.times[name], *np.divmod(spikes.senders[name], side)
    inside = (times >= WINDOW[0]) & (times < WINDOW[1])
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.2), width_ratios=(2.0, 1.0), layout="constrained")
    left.plot(times, columns, "k.", ms=0.6, rasterized=True)
    left.set(xlabel="time (ms)", ylabel="column of the layer", title="spikes by column")
    counts = np.histogram2d(rows[inside], columns[inside], bins=side, range=((0, side), (0, side)))[0]
    right.imshow(counts, origin="lower", cmap="Greys", interpolation="nearest")
    right.set(xlabel="column", ylabel="row", title=f"spikes in {WINDOW[0]:g} to {WINDOW[1]:g} ms")
    figure.savefig(given.figure, dpi=100)


if __name__ == "__main__":
    main()

"""Write a moving bump of activity on a torus as a recording of events, one file for each of four scenes.

    python moving_bump.py FOLDER [--seed 1]

In every bin of 1 ms a pixel has an event with a probability that falls off with its distance from the middle of the
bump. The scenes: ``velocity`` (it moves on), ``blank`` (it moves on unseen for a while), ``flash`` (all pixels light up
for a while) and ``reversal`` (it turns round). Also ``camera``: a made-up recording of 34 × 34 pixels with both
polarities, an edge that goes to and fro.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from recordings import Events, write_events


@dataclass(frozen=True)
class Scene:
    """What the bump does.

    Parameters
    ----------
    velocity : tuple of float
        Pixels per ms, along x and y.
    duration : float
        ms.
    blank, flash : tuple of float
        ms, begin and end; none by default.
    reversal : float
        ms, when it turns round.
    """

    velocity: tuple[float, float] = (0.064, 0.032)
    duration: float = 1000.0
    blank: tuple[float, float] = (0.0, 0.0)
    flash: tuple[float, float] = (0.0, 0.0)
    reversal: float = np.inf


SCENES = {
    "velocity": Scene(),
    "blank": Scene(blank=(400.0, 600.0)),
    "flash": Scene(flash=(500.0, 520.0)),
    "reversal": Scene(reversal=500.0),
}
SIDE = 64  # pixels
WIDTH = 3.0  # pixels, standard deviation of the bump
PEAK = 0.1  # probability of an event in a bin, in the middle of the bump
FLASH = 0.05  # the same of all pixels, in a flash


def middle_of(scene: Scene, time: float) -> NDArray[np.float64]:
    """Middle of the bump at a time in ms, in pixels, shape (2,)."""
    travelled = time if time < scene.reversal else 2.0 * scene.reversal - time
    return np.mod(SIDE / 2 + np.array(scene.velocity) * travelled, SIDE)


def bump(scene: Scene, seed: int) -> Events:
    """Draw the events of a scene."""
    rng = np.random.default_rng(seed)
    pixels = np.arange(SIDE)
    found = []
    for time in range(int(scene.duration)):
        away = np.abs(pixels[:, None] - middle_of(scene, time))
        away = np.minimum(away, SIDE - away) ** 2
        chance = PEAK * np.exp(-(away[:, 1][:, None] + away[:, 0][None, :]) / (2.0 * WIDTH**2))
        if scene.blank[0] <= time < scene.blank[1]:
            chance = np.zeros_like(chance)
        if scene.flash[0] <= time < scene.flash[1]:
            chance = np.maximum(chance, FLASH)
        y, x = np.nonzero(rng.random(chance.shape) < chance)
        found.append(np.stack([x, y, time * 1000 + rng.integers(0, 1000, x.size)], axis=1))
    x, y, times = np.concatenate(found).T
    return Events(x, y, times, np.ones(x.size, dtype=bool))


def camera(seed: int, side: int = 34, duration: int = 300_000) -> Events:
    """Make up a recording: an edge goes to and fro; pixels it reaches get brighter, those it leaves darker."""
    rng = np.random.default_rng(seed)
    times = np.sort(rng.integers(0, duration, 6000))
    phase = np.abs(np.mod(times / 100_000.0, 2.0) - 1.0)
    x = np.clip(np.rint(phase * (side - 1) + rng.normal(0.0, 0.7, times.size)), 0, side - 1).astype(np.int64)
    brighter = rng.random(times.size) < np.where(np.mod(times / 100_000.0, 2.0) < 1.0, 0.8, 0.2)
    # now and then a pixel repeats itself at once, as those of cameras do
    again = rng.choice(times.size, 50, replace=False)
    y = rng.integers(0, side, times.size)
    order = np.argsort(np.concatenate([times, times[again] + 20]), kind="stable")
    columns = (np.concatenate([values, values[again]])[order] for values in (x, y, brighter))
    x, y, brighter = columns
    return Events(x, y, np.concatenate([times, times[again] + 20])[order], brighter)


def main() -> None:
    """Read the arguments and write."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    for name, scene in SCENES.items():
        write_events(given.folder / f"{name}.bin", bump(scene, given.seed))
    write_events(given.folder / "camera.bin", camera(given.seed))


if __name__ == "__main__":
    main()

"""A disk that is full, or that cannot be written any more, at random moments of a local run: nothing is lost.

A sweep is run undisturbed. Then it is run again and again on a small file system of its own, which at a random moment
is filled to the last byte (tmpfs), or becomes read-only under open files (ext4 that is told to abort, as after an
error of the medium). The submit must end by itself, with exit code 1 or 2, no traceback, and a line that names the
reason. Then there is space again, or the file system is mounted anew, and the same submit goes on: what was there
before is untouched, and in the end every point is there once, with the statistics and spikes of the undisturbed run, to
the bit.

Only root may mount.

    python benchmarks/attacks/disks.py [--rounds 20] [--simulators native] [--seed 1]
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import kills

from simulators.records.run_directory import RunDirectory
from simulators.records.summaries.summary import CorruptSummaryError, read_summary

SIZE = 24 * 2**20  # B, of a file system
PATIENCE = 180.0  # s for a submit to notice


class MountError(RuntimeError):
    """A file system cannot be mounted here."""


class Disk(Protocol):
    """A file system that can fail."""

    def fail(self) -> None:
        """Let nothing be written any more."""

    def mend(self) -> None:
        """Let it be written again."""

    def close(self) -> None:
        """Give it back."""


class FullDisk:
    """A tmpfs that is filled.

    Parameters
    ----------
    folder : Path
        Where it is mounted.
    """

    REASON = "No space left on device"

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        _run("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(folder))

    def fail(self) -> None:
        """Fill it to the last byte."""
        with suppress(OSError), (self._folder / "filler").open("wb", buffering=0) as file:
            for size in (2**16, 1):
                with suppress(OSError):
                    while file.write(b"\0" * size):
                        pass

    def mend(self) -> None:
        """Make room."""
        (self._folder / "filler").unlink()

    def close(self) -> None:
        """Unmount it."""
        _run("umount", "--lazy", str(self._folder))


class BrokenDisk:
    """An ext4 in a file, which is told to abort.

    Parameters
    ----------
    folder : Path
        Where it is mounted.
    """

    REASON = "Read-only file system"

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder, self._image = folder, folder.with_suffix(".img")
        with self._image.open("wb") as file:
            file.truncate(SIZE)
        _run("mkfs.ext4", "-q", str(self._image))
        self._mount()

    def _mount(self) -> None:
        _run("mount", "-o", "loop", str(self._image), str(self._folder))

    def fail(self) -> None:
        """Make it read-only, whatever is open."""
        _run("mount", "-o", "remount,abort", str(self._folder))

    def mend(self) -> None:
        """Unmount it, look it through and mount it anew."""
        _run("umount", str(self._folder))
        subprocess.run(["fsck.ext4", "-y", str(self._image)], capture_output=True, check=False)
        self._mount()

    def close(self) -> None:
        """Unmount it."""
        _run("umount", "--lazy", str(self._folder))


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise MountError(f"{command[0]}: {error.strerror}") from error
    if done.returncode:
        raise MountError(f"{' '.join(command)}: {done.stderr.strip()}")


def attack(
    folder: Path, simulators: list[str], rounds: int, points: int, start: int, more: str = "",
    kinds: Sequence[type[FullDisk] | type[BrokenDisk]] = (FullDisk, BrokenDisk),
) -> dict[str, int]:  # fmt: skip
    """Run the attack; return the counts.

    Parameters
    ----------
    folder : Path
        Where to work.
    simulators : list of str
        Theirs.
    rounds, points, start : int
        Failures, points of a run, and the start of the random numbers.
    more : str
        Further lines of the sweep.
    kinds : sequence of type
        Of disks, in turn.

    Raises
    ------
    MountError
        If file systems cannot be mounted here.
    AssertionError
        If a submit does not end by itself, with a line that says why and no traceback.
    """
    chance = random.Random(start)
    kills.write_sweep(folder, simulators, points, 200.0, more)
    for results in ("undisturbed", "again"):
        course = kills.watch(kills.start(folder, results))
    undisturbed = RunDirectory(folder / "undisturbed" / "attacked")
    counts: Counter[str] = Counter()
    for n in range(rounds):
        kind = kinds[n % len(kinds)]
        disk = kind(folder / f"disk-{n}")
        try:
            attacked = RunDirectory(folder / f"disk-{n}" / "attacked")
            _meet(folder, attacked, disk, kind.REASON, chance.uniform(0.0, course.last), counts)
            n_results, lost, twice, different = kills.compare(undisturbed, attacked)
            counts["results"] += n_results
            counts["lost"] += lost
            counts["twice"] += twice
            counts["different"] += different
            counts["half written"] += sum(path.parent != attacked.figures for path in attacked.root.rglob(".*.tmp"))
        finally:
            disk.close()
    return dict(counts)


def _meet(folder: Path, run: RunDirectory, disk: Disk, reason: str, moment: float, counts: Counter[str]) -> None:
    """Let a disk fail at a moment of a submit, mend it, and let the submit go on to its end."""
    said_before = (folder / "said.txt").read_text()
    process = kills.start(folder, run.root.parent.name)
    deadline = time.monotonic() + moment
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    disk.fail()
    failed_at_work = process.poll() is None
    before = _rows(run)
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None:
        assert time.monotonic() < deadline, "the submit does not end"
        time.sleep(0.05)
    while kills.strays(folder):
        time.sleep(0.05)
    said = (folder / "said.txt").read_text().removeprefix(said_before)
    assert "Traceback" not in said, said
    if failed_at_work and process.wait() != 0:
        assert process.wait() in (1, 2), (process.wait(), said)
        assert reason in said, said
        counts[f"ended by {reason!r}"] += 1
    disk.mend()
    after = _rows(run)
    counts["rows lost"] += sum(after.get(key) != row for key, row in before.items())
    for _ in range(3):  # a job that had met the disk may be tried by the next one only
        if kills.start(folder, run.root.parent.name).wait() == 0:
            break
    kills.start(folder, run.root.parent.name).wait()  # nothing to do but to sweep what was left half written


def _rows(run: RunDirectory) -> dict[tuple[str, str], str]:
    """Return the rows on disk, by point and simulator: when each was finished."""
    found: dict[tuple[str, str], str] = {}
    for path in run.summary_files():
        with suppress(CorruptSummaryError, FileNotFoundError):
            found |= {
                (row["point_id"], row["simulator"]): str(row["finished"]) for row in read_summary(path).to_pylist()
            }
    return found


def main() -> int:
    """Run the attack and print its counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--points", type=int, default=30)
    parser.add_argument("--simulators", nargs="+", default=["native"])
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        counts = attack(Path(name).resolve(), options.simulators, options.rounds, options.points, options.seed)
    took = (time.monotonic() - began) / 60
    print(f"{', '.join(options.simulators)}, {took:.1f} min, load {os.getloadavg()[0]:.0f}:")
    for key, count in sorted(counts.items()):
        print(f"  {key}: {count}")
    return int(any(counts[key] for key in ("lost", "rows lost", "twice", "different", "half written")))


if __name__ == "__main__":
    sys.exit(main())

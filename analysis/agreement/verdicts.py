"""What follows from a comparison, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

ENOUGH_SEEDS = 5  # of each, for a verdict
SIGNIFICANCE = 0.05
_FEW_ALONE = 0.05  # of the points may have values in one group only


def verdict_of(row: Mapping[str, Any], a: str, b: str, n_tests: int) -> dict[str, Any]:
    """Return ``agrees`` and ``verdict`` of a row of a comparison."""
    agrees, words = _difference(row, a, b, n_tests)
    sentences = [words, *_alone(row, a, b), *_equivalence(row)]
    if agrees and max(row["only_a"], row["only_b"]) > _FEW_ALONE * row["n_points"]:
        agrees = None
    return {"agrees": agrees, "verdict": " ".join(sentences)}


def _difference(row: Mapping[str, Any], a: str, b: str, n_tests: int) -> tuple[bool | None, str]:
    if not row["n_points"]:
        return None, f"{a} and {b} have no point in common where it is defined."
    fewest = min(row["seeds_a"], row["seeds_b"])
    seeds = f"{row['seeds_a']} and {row['seeds_b']} seeds"
    if fewest < 2:
        return None, (
            f"Cannot be told from {seeds}: a difference of simulators looks like one of seeds. "
            f"It takes {ENOUGH_SEEDS} of each."
        )
    if math.isnan(row["p"]):
        return None, "Cannot be told: some seeds have no point in common."
    points = f"on {row['n_points']} points"
    if row["n_incomplete"]:
        points += f", {row['n_incomplete']} of them lack seeds"
    apart, within = f"{row['distance']:.3g}", f"{row['distance_within']:.3g}"
    measured = f"maps of {a} and {b} are {apart} apart, maps of one of them {within}, {points}"
    among = f"p = {row['p_adjusted']:.2g}" + (f" among {n_tests} statistics" if n_tests > 1 else "")
    if row["p_adjusted"] <= SIGNIFICANCE:
        return False, f"Differ by more than their seeds do: {measured} ({among}, {seeds})."
    if fewest < ENOUGH_SEEDS:
        reason = (
            f"the smallest p that {seeds} could give is {row['p_smallest']:.2g}"
            if row["p_smallest"] > SIGNIFICANCE
            else f"{seeds} show only large differences"
        )
        return None, f"No difference seen, but {reason}: {measured}. It takes {ENOUGH_SEEDS} of each."
    return True, f"No more apart than their seeds are: {measured} ({among}, {seeds})."


def _alone(row: Mapping[str, Any], a: str, b: str) -> list[str]:
    return [
        f"{row[key]} point{'s have' if row[key] > 1 else ' has'} values of {name} only."
        for key, name in (("only_a", a), ("only_b", b))
        if row[key]
    ]


def _equivalence(row: Mapping[str, Any]) -> list[str]:
    if math.isnan(row["difference_low"]):
        return []
    interval = f"Mean difference {row['difference']:.3g} (90 % interval {row['difference_low']:.3g} to "
    interval += f"{row['difference_high']:.3g})"
    if row["equivalent"] is None:
        return [f"{interval}; whether that matters, a target or a margin would say."]
    if row["equivalent"]:
        return [f"{interval}: equivalent within ±{row['margin']:.3g}."]
    return [f"{interval}: equivalence within ±{row['margin']:.3g} is not shown."]

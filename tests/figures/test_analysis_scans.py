"""Time against biological time and size: which rows are laid out, what is fitted and what the figures show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from analysis_runs import axis, write_run
from matplotlib.colors import to_rgba

import analysis
from analysis.plots.parts.style import PHASE_COLOURS
from analysis.timing.phases import SIZE, TIME, biological_times, scan, scanned, wall_times

BOTH = ({"simulator": "nest", "threads": 1}, {"simulator": "genn", "backend": None})
SIZES = axis("N_E", [400, 1600, 6400, 25600])
TIMES = axis("duration", [1000.0, 2000.0, 4000.0], unit="ms")


def _cost(p: dict[str, Any], seed: int, name: str) -> dict[str, Any]:
    """3 s + N/1000 s fixed, and a factor of 0.5 + 1e-4·N per biological second; GeNN is ten times as fast."""
    n, lived = 1.25 * p.get("N_E", 400), 1.0 + p.get("duration", 9000.0) / 1000.0
    speed = 10.0 if name == "genn" else 1.0
    return {
        "status": "ok",
        "rate_E": 3.0,
        "n_neurons": int(n),
        "n_synapses": int(0.308 * n**2) + seed,
        "duration": p.get("duration", 9000.0),
        "t_load": 0.0,
        "t_compile": 20.0 if seed == 1 else 0.0,
        "t_build": (3.0 + n / 1000) / speed,
        **dict.fromkeys(("t_reset", "t_record", "t_statistics", "t_write"), 0.0),
        "t_simulate": lived * (0.5 + 1e-4 * n) / speed,
    }


def _table(folder: Path, *axes: dict[str, Any], **more: Any) -> pd.DataFrame:
    return analysis.open_run(write_run(folder / "demo", axes=axes, behaviour=_cost, **more).root)


def test_biological_time_is_that_of_the_row(tmp_path: Path) -> None:
    table = _table(tmp_path, TIMES)
    assert sorted(set(biological_times(table))) == [2.0, 3.0, 5.0]
    older = table.drop(columns="duration")
    older.attrs = table.attrs
    assert set(biological_times(older)) == {10.0}


def test_wall_time_leaves_out_compilation(tmp_path: Path) -> None:
    table = _table(tmp_path, TIMES)
    assert wall_times(table).groupby(table["duration"]).nunique().eq(1).all()


def test_the_other_of_size_and_time_is_held_at_its_largest(tmp_path: Path) -> None:
    table = _table(tmp_path, SIZES, TIMES)
    along_size, along_time = scan(table, SIZE), scan(table, TIME)
    assert set(along_size.rows[TIME]) == {5.0}
    assert along_size.held == "5 s of biological time"
    assert set(along_time.rows[SIZE]) == {32000}
    assert along_time.held == "32,000 neurons"
    assert scanned(table, SIZE)
    assert scanned(table, TIME)
    assert not scanned(table[table["duration"] == 1000.0], TIME)


def test_fixed_and_variable_cost_are_told_apart(tmp_path: Path) -> None:
    table = _table(tmp_path, TIMES)
    model = analysis.timing.fit_time(biological_times(table), wall_times(table))
    assert model.fixed == pytest.approx(3.5)
    assert model.factor == pytest.approx(0.55)
    random = np.random.default_rng(5)
    lived = np.repeat([0.5, 1.0, 2.0, 8.0], 5)
    covered = 0
    for _ in range(100):
        noisy = (3.5 + 0.55 * lived) * (1 + 0.03 * random.standard_normal(len(lived)))
        model = analysis.timing.fit_time(lived, noisy)
        covered += model.factor_interval[0] < 0.55 < model.factor_interval[1]
    assert covered >= 88
    with pytest.raises(analysis.RunError, match="three measurements of two durations"):
        analysis.timing.fit_time([1.0, 1.0, 1.0], [2.0, 2.0, 2.0])


def test_wall_times_are_drawn_where_they_were_measured(tmp_path: Path) -> None:
    ax = analysis.plots.draw_times(_table(tmp_path, TIMES, simulators=BOTH), TIME)
    drawn = {str(bars.get_label()): bars.lines[0] for bars in ax.containers}
    kinds = ("all but compilation", "propagation and spikes")
    assert set(drawn) == {f"{simulator}, {kind}" for simulator in ("nest", "genn") for kind in kinds}
    np.testing.assert_allclose(
        drawn["nest, all but compilation"].get_xydata(), [[t, 3.5 + 0.55 * t] for t in (2, 3, 5)]
    )
    np.testing.assert_allclose(drawn["genn, propagation and spikes"].get_ydata(), [0.11, 0.165, 0.275])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("biological time (s)", "wall time (s)")
    assert "nest: 3.5 s fixed + 0.55 · biological time" in [line.get_label() for line in ax.lines]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["2", "3", "5"]


def test_phases_stack_up_to_the_mean_of_all(tmp_path: Path) -> None:
    table = _table(tmp_path, SIZES, simulators=BOTH)
    one = table[table["configuration"] == "nest"]
    ax = analysis.plots.draw_phases(one, along="n_synapses")
    tops = {bar.get_x(): bar.get_y() + bar.get_height() for bar in ax.patches}  # the last of a stack is its top
    expected = (wall_times(one) + one["t_compile"]).groupby(one["n_neurons"]).mean()
    np.testing.assert_allclose([tops[x] for x in sorted(tops)], expected)
    assert {bar.get_facecolor() for bar in ax.patches} == {
        to_rgba(PHASE_COLOURS[name]) for name in ("t_build", "t_compile", "t_simulate")
    }
    assert ax.get_xlabel() == "synapses"
    assert [text.get_text() for text in ax.get_xticklabels()][-1] == "315·10⁶"
    with pytest.raises(analysis.RunError, match="several simulators"):
        analysis.plots.draw_phases(table, along="n_neurons")


def test_costs_have_a_line_and_a_frontier_each(tmp_path: Path) -> None:
    ax = analysis.plots.draw_cost(_table(tmp_path, SIZES, simulators=BOTH))
    labels = [str(line.get_label()) for line in ax.lines]
    assert labels.count("real time") == 1
    assert {"nest", "genn"} < set(labels)
    assert "0.5 +0.0001·N" in " ".join(labels)
    assert sum("real time up to" in label for label in labels) == 1  # GeNN has all its sizes below
    (frontier,) = (line for line in ax.lines if "real time up to" in str(line.get_label()))
    assert 2000 < frontier.get_xdata()[0] < 8000


@pytest.mark.parametrize("axes", [(SIZES,), (TIMES,), (SIZES, TIMES)])
def test_scans_are_figures_of_the_run_and_parts_of_the_report(tmp_path: Path, axes: tuple[dict[str, Any], ...]) -> None:
    run = write_run(tmp_path / "demo", axes=axes, behaviour=_cost, simulators=BOTH)
    drawn = {path.stem for path in analysis.draw_figures(run.root)}
    page = analysis.write_report(run.root).read_text(encoding="utf-8")
    assert ("size_scan" in drawn) == ("Time against size" in page) == (SIZES in axes)
    assert ("time_scan" in drawn) == ("Time against biological time" in page) == (TIMES in axes)
    if SIZES in axes:
        assert "nest: real time up to" in page
        assert "genn: real time at all sizes up to 32,000 neurons: the frontier lies beyond." in page

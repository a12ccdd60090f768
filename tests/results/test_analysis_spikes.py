from pathlib import Path
from typing import Any

import numpy as np
import pytest
from analysis_runs import write_run
from matplotlib.axes import Axes

import analysis
from analysis.opening.spikes import PointSpikes
from analysis.plots.parts.style import new_figure
from simulators.records.run_directory import RunDirectory
from simulators.records.spike_files import write_spikes
from simulators.statistics.spike_trains import SpikeTrains

SIZES = {"E": 40, "I": 10}


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """Spikes of two of the points, as a worker writes them."""
    directory = write_run(tmp_path / "demo", seeds=(1,), spikes="all")
    table = analysis.open_run(directory.root)
    for number, row in table.iloc[:2].iterrows():
        random = np.random.default_rng(int(str(number)))
        trains = {}
        for name, size in SIZES.items():
            steps, senders = random.integers(1, 90_000, 50 * size), random.integers(0, size - 1, 50 * size)
            trains[name] = SpikeTrains(steps, senders, size, 90_000, 0.1)
        write_spikes(trains, directory.spike_file(row["job"], row["point_id"]), sample=False)
    return directory


def test_spikes_of_a_point(run: RunDirectory) -> None:
    spikes = analysis.read_spikes(run.root, "p00000001")
    random = np.random.default_rng(1)
    times = np.sort(random.integers(1, 90_000, 2000)) * 0.1
    np.testing.assert_allclose(spikes.times["E"], times)
    assert spikes.senders["E"].max() == 38
    assert spikes.sizes == SIZES
    assert spikes.swept == {"I_th_E": 1.0, "I_th_I": 0.9}
    assert spikes.duration == 9000.0
    assert len(spikes.times["I"]) == 500


def test_points_that_have_no_spikes(run: RunDirectory, tmp_path: Path) -> None:
    assert list(analysis.opening.stored_points(run.root)["point_id"]) == ["p00000000", "p00000001"]
    with pytest.raises(analysis.RunError, match=r"no spikes are stored of point 'p00000007'; 2 points have them"):
        analysis.read_spikes(run.root, "p00000007")
    with pytest.raises(analysis.RunError, match="2 points begin with 'p0'"):
        analysis.read_spikes(run.root, "p0")
    silent = write_run(tmp_path / "silent", behaviour=lambda p, s, n: None)
    with pytest.raises(analysis.RunError, match=r"under \[record\]"):
        analysis.map_spikes(silent.root, lambda spikes: 0.0)


def test_all_spikes_as_one_table(run: RunDirectory) -> None:
    frame = analysis.open_spikes(run.root)
    counts = frame.groupby(["point_id", "population"], observed=True).size().to_dict()
    assert counts == {(point, name): 50 * size for point in ("p00000000", "p00000001") for name, size in SIZES.items()}


def test_spikes_of_some_points_and_populations(run: RunDirectory) -> None:
    frame = analysis.open_spikes(run.root, points=["p00000001"], populations=["I"])
    assert set(frame["population"]) == {"I"}
    spikes = analysis.read_spikes(run.root, "p00000001")
    np.testing.assert_array_equal(frame["time"], spikes.times["I"])
    np.testing.assert_array_equal(frame["sender"], spikes.senders["I"])
    with pytest.raises(analysis.RunError, match=r"no spikes are stored of \['p00000009'\]; 2 points have them"):
        analysis.open_spikes(run.root, points=["p00000009"])
    with pytest.raises(analysis.RunError, match=r"no populations \['X'\]; it has \['E', 'I'\]"):
        analysis.open_spikes(run.root, populations=["X"])


def test_new_statistic_over_the_run(run: RunDirectory, tmp_path: Path) -> None:
    def last_spike(spikes: PointSpikes) -> float:
        return float(spikes.times["E"].max())

    def ends(spikes: PointSpikes) -> dict[str, float]:
        return {"first": float(spikes.times["E"].min()), "n": len(spikes.times["I"])}

    table = analysis.map_spikes(run.root, last_spike)
    assert table["last_spike"].between(8900, 9000).all()
    assert table.loc[0, "last_spike"] == analysis.read_spikes(run.root, "p00000000").times["E"][-1]
    grid = analysis.statistic_grid(table, "last_spike")
    assert np.isfinite(grid["mean"]).sum() == 2
    assert analysis.map_spikes(run.root, ends)["n"].tolist() == [500, 500]


def test_a_point_as_a_neo_block(run: RunDirectory) -> None:
    elephant = pytest.importorskip("elephant.statistics")
    spikes = analysis.read_spikes(run.root, "p00000001")
    block = spikes.to_neo()
    trains = block.segments[0].spiketrains
    assert len(trains) == 50
    assert [group.name for group in block.groups] == ["E", "I"]
    assert block.annotations["parameter I_th_I"] == 0.9
    assert len(trains[39]) == 0  # a silent neuron has a train too
    for train in (trains[3], trains[41]):
        name, neuron = train.annotations["population"], train.annotations["neuron"]
        np.testing.assert_array_equal(train.magnitude, spikes.times[name][spikes.senders[name] == neuron])
    rates = [elephant.mean_firing_rate(train).rescale("Hz").item() for train in block.groups[0].spiketrains]
    assert np.mean(rates) == pytest.approx(2000 / 40 / 9.0)
    assert len(spikes.to_neo(["I"]).segments[0].spiketrains) == 10
    with pytest.raises(analysis.RunError, match=r"no population 'X'; it has \['E', 'I'\]"):
        spikes.to_neo(["X"])


def test_a_point_goes_to_nix_and_comes_back_into_elephant(run: RunDirectory, tmp_path: Path) -> None:
    elephant = pytest.importorskip("elephant.statistics")
    pytest.importorskip("nixio")
    from neo.io import NixIO

    spikes = analysis.read_spikes(run.root, "p00000001")
    path = tmp_path / "point.nix"
    with NixIO(str(path), "ow") as file:
        file.write_block(spikes.to_neo())
    with NixIO(str(path), "ro") as file:
        (block,) = file.read_all_blocks()
    assert block.name == "p00000001"
    assert block.annotations["simulator"] == spikes.simulator
    assert block.annotations["parameter I_th_E"] == 1.0
    assert block.annotations["parameter I_th_I"] == 0.9
    trains = block.segments[0].spiketrains
    assert len(trains) == 50
    seen = {}
    for train in trains:
        name, neuron = train.annotations["population"], int(train.annotations["neuron"])
        mine = spikes.times[name][spikes.senders[name] == neuron]
        np.testing.assert_array_equal(train.rescale("ms").magnitude, mine)
        assert train.t_stop.rescale("ms").item() == spikes.duration
        assert elephant.mean_firing_rate(train).rescale("Hz").item() == pytest.approx(len(mine) / 9.0)
        if len(mine) > 2:
            intervals = np.diff(mine)
            assert elephant.cv(elephant.isi(train).magnitude) == pytest.approx(intervals.std() / intervals.mean())
        seen[name] = seen.get(name, 0) + 1
    assert seen == SIZES
    assert {group.name: len(group.spiketrains) for group in block.groups} == SIZES


def test_function_that_fails_names_the_point(run: RunDirectory) -> None:
    def fails(spikes: PointSpikes) -> float:
        return 1 / 0

    with pytest.raises(analysis.RunError, match=r"fails failed on the spikes of point p0000000\d: ZeroDivisionError"):
        analysis.map_spikes(run.root, fails)


def test_damaged_spike_file_is_named(run: RunDirectory) -> None:
    file = Path(analysis.opening.stored_points(run.root)["spike_file"].iloc[0])
    file.write_bytes(b"no parquet")
    with pytest.raises(analysis.RunError, match=f"{file.name}: is not a readable file of spikes"):
        analysis.read_spikes(run.root, "p00000000")


def _dots(ax: Axes, name: str) -> Any:
    return next(line for line in ax.lines if line.get_label() == name)


def test_raster_shows_every_spike_of_its_window(run: RunDirectory) -> None:
    spikes = analysis.read_spikes(run.root, "p00000001")
    ax = analysis.draw_raster(spikes, new_figure(6, 4).subplots(), window=(100.0, 600.0))
    inside = (spikes.times["E"] >= 100) & (spikes.times["E"] <= 600)
    np.testing.assert_array_equal(_dots(ax, "E").get_xdata(), spikes.times["E"][inside])
    np.testing.assert_array_equal(_dots(ax, "E").get_ydata(), spikes.senders["E"][inside])
    assert _dots(ax, "I").get_ydata().min() >= 40
    assert ax.get_xlim() == (100.0, 600.0)
    assert ax.get_ylim() == (-0.5, 49.5)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["E\n40", "I\n10"]
    assert "(ms)" in ax.get_xlabel()
    assert "I_th_E = 1" in ax.get_title()


def test_raster_of_a_large_network_shows_some(run: RunDirectory) -> None:
    spikes = analysis.read_spikes(run.root, "p00000001")
    ax = analysis.draw_raster(spikes, new_figure(6, 4).subplots(), neurons=8)
    shown = np.isin(spikes.senders["E"], np.arange(0, 40, 5))
    assert len(_dots(ax, "E").get_xdata()) == shown.sum()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["E\n8 of 40", "I\n8 of 10"]


def test_sample_knows_which_neurons_it_kept(tmp_path: Path) -> None:
    directory = write_run(tmp_path / "demo", seeds=(1,), spikes="sample")
    row = analysis.open_run(directory.root).iloc[0]
    every = SpikeTrains(np.arange(1, 251), np.arange(250), 250, 90_000, 0.1)
    write_spikes({"E": every, "I": every}, directory.spike_file(row["job"], row["point_id"]), sample=True)
    spikes = analysis.read_spikes(directory.root, row["point_id"])
    np.testing.assert_array_equal(spikes.recorded["E"], np.unique(spikes.senders["E"]))
    assert len(spikes.recorded["E"]) == 100
    ax = analysis.draw_raster(spikes, new_figure(6, 4).subplots())
    assert [label.get_text() for label in ax.get_yticklabels()] == ["E\n100 of 250", "I\n100 of 250"]

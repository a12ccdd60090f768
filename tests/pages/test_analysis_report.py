import html
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest
from analysis_runs import BACKGROUND, axis, behave, write_run
from workplaces import ROOT

import analysis
from simulators.records.run_directory import RunDirectory

TARGETS = {"rate_E": {"min": 2.0, "max": 5.0}, "cv_isi_E": {"value": 1.0, "tolerance": 0.2, "weight": 0.5}}
BOTH = ({"simulator": "nest", "threads": 1}, {"simulator": "genn", "backend": None})
REPOSITORY = ROOT


def _text(run: RunDirectory) -> str:
    return analysis.write_report(run.root).read_text(encoding="utf-8")


def _partial(p: dict[str, Any], seed: int, name: str) -> dict[str, Any] | None:
    if p["I_th_E"] == 1.8:
        return None if p["I_th_I"] < 1 else {"status": "failed", "error": "<b>NESTError</b>: weights & delays"}
    return behave(p, seed, name)


def test_report_says_what_was_asked_found_and_failed(tmp_path: Path) -> None:
    run = write_run(tmp_path / "demo", simulators=BOTH, targets=TARGETS, behaviour=_partial)
    run.sweep.write_text('name = "demo"  # <script>\n', encoding="utf-8")
    page = _text(run)
    assert "12 of 120 results are not there yet" in page
    assert "background current to E, in units of the rheobase current" in page
    assert "2 to 5 Hz" in page
    assert "Cannot be told" in page or "smallest p that 3 and 3 seeds could give" in page
    assert "&lt;b&gt;NESTError&lt;/b&gt;: weights &amp; delays" in page
    assert "# <script>" not in page
    assert "<b>NESTError" not in page
    assert "made by tests/analysis_runs.py" in page


def test_report_fetches_nothing(tmp_path: Path) -> None:
    page = _text(write_run(tmp_path / "demo", targets=TARGETS))
    sources = re.findall(r"(?:src|href)=\"([^\"]*)\"", page)
    assert len([source for source in sources if source.startswith("data:image/svg+xml;base64,")]) >= 4
    assert all(source.startswith(("data:", "#")) for source in sources)
    assert "url(" not in page
    assert "@import" not in page


def test_best_point_can_be_pasted_into_a_sweep(tmp_path: Path) -> None:
    axes = (*BACKGROUND, axis("p[0,1]", [0.4, 0.5]), axis("rule", ["all", "some"]), axis("fixed", [True, False]))
    run = write_run(tmp_path / "demo", axes=axes, seeds=(1,), targets=TARGETS)
    page = html.unescape(_text(run))
    pasted = tomllib.loads(re.search(r"<pre>(\[parameters\].*?)</pre>", page, re.DOTALL)[1])["parameters"]  # type: ignore[index]
    best = analysis.best_points(analysis.open_run(run.root), 1).iloc[0]
    assert pasted == {item["key"]: best[item["key"]] for item in axes}
    assert "P is 0 or 1 at every point" in page


def test_report_of_a_run_that_has_not_begun(tmp_path: Path) -> None:
    page = _text(write_run(tmp_path / "demo", targets=TARGETS, behaviour=lambda p, s, n: None))
    assert "60 of 60 results are not there yet" in page
    assert "<pre>[parameters]" not in page


def test_report_names_corrupt_files(tmp_path: Path) -> None:
    run = write_run(tmp_path / "demo")
    run.summary_files()[0].write_bytes(b"no parquet")
    assert run.summary_files()[0].name in _text(run)


def test_report_without_targets_or_axes(tmp_path: Path) -> None:
    run = write_run(tmp_path / "demo", axes=(axis("I_th_E", [1.4]), axis("I_th_I", [0.9])))
    page = _text(run)
    assert "Nothing was swept, so there is no map." in page
    assert "Best points" not in page


def test_report_fits_the_cost_where_the_size_was_swept(tmp_path: Path) -> None:
    def grows(p: dict[str, Any], seed: int, name: str) -> dict[str, Any]:
        n = p["N_E"] * 1.25
        cost = 10 * (0.1 + 1e-5 * n + 1e-9 * 0.308 * n**2)
        return {"status": "ok", "rate_E": 3.0, "n_neurons": int(n), "n_synapses": int(0.308 * n**2), "t_simulate": cost}

    run = write_run(tmp_path / "demo", axes=(axis("N_E", [400, 4000, 16000, 40000]),), behaviour=grows)
    page = _text(run)
    assert "Time against size" in page
    coefficients = re.search(r"per synapse</td><td[^>]*>([^<]*)<", page)
    assert coefficients is not None
    assert float(coefficients[1]) == pytest.approx(1e-9, rel=1e-3)


def test_report_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path / "demo")
    run.report.write_text("the last one", encoding="utf-8")
    monkeypatch.setattr(Path, "replace", _full_disk)
    with pytest.raises(OSError, match="no space"):
        analysis.write_report(run.root)
    assert run.report.read_text(encoding="utf-8") == "the last one"
    assert not list(run.root.glob(".*tmp"))


def _full_disk(*_: Any) -> None:
    raise OSError("no space")


def test_analysis_imports_matplotlib_only_to_draw() -> None:
    code = "import sys, analysis; analysis.open_run; print({'matplotlib', 'scipy', 'jinja2'} & set(sys.modules))"
    output = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    assert output.strip() == "set()"


def test_every_public_name_is_there() -> None:
    assert all(getattr(analysis, name) is not None for name in analysis.__all__)
    assert dir(analysis) == sorted(analysis.__all__)
    for name in ("opening", "grids", "deciding", "agreement", "timing", "plots", "page"):
        room = getattr(analysis, name)
        assert all(getattr(room, inside) is not None for inside in room.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        analysis.nonsense  # noqa: B018


SWEEP = """
name = "small"
model = "clustered"
simulators = ["nest"]
[parameters]
N_E = 240
N_I = 60
Q = 2
jep = 1.5
[axes]
I_th_E = { start = 1.2, stop = 2.4, num = 3 }
I_th_I = { start = 0.7, stop = 1.1, num = 2 }
[replicates]
seeds = [1, 2]
[simulation]
warmup = 100.0
duration = 400.0
[record]
statistics = ["rate", "cv_isi"]
spikes = "all"
[targets]
rate_E = { min = 2.0, max = 40.0 }
"""


@pytest.fixture(scope="module")
def real_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that NEST simulated, from the sweep to the summaries."""
    if importlib.util.find_spec("nest") is None:
        pytest.skip("needs nest-simulator")
    folder = tmp_path_factory.mktemp("real")
    (folder / "small.toml").write_text(SWEEP, encoding="utf-8")
    command = [sys.executable, "-m", "gridsearch", "submit", str(folder / "small.toml"), "--results", str(folder)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "small"


@pytest.mark.nest
def test_real_run_has_statistics_that_its_spikes_confirm(real_run: Path) -> None:
    table = analysis.open_run(real_run)
    assert (table["status"] == "ok").all()
    rates = analysis.map_spikes(real_run, lambda s: {"again": len(s.times["E"]) / s.sizes["E"] / s.duration * 1e3})
    merged = rates.merge(table[["point_id", "rate_E"]])
    assert len(merged) == 12
    assert merged["again"].to_numpy() == pytest.approx(merged["rate_E"].to_numpy())
    assert merged["again"].max() > 0


@pytest.mark.nest
def test_report_of_a_real_run(real_run: Path) -> None:
    page = analysis.write_report(real_run).read_text(encoding="utf-8")
    assert "background current to E, in units of the rheobase current" in page
    assert "not complete" not in page
    assert "worker_hash" in page


def _run_notebook(run: Path) -> list[Any]:
    notebook = nbformat.read(REPOSITORY / "analysis" / "notebooks" / "calibration.ipynb", as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert cells[0].source.count('"../../results/demo"') == 1
    assert not any(cell.outputs for cell in cells), "the notebook is kept without output"
    cells[0].source = cells[0].source.replace("../../results/demo", str(run))
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(REPOSITORY)}}
    ).execute()
    return cells


def test_notebook_works_without_targets_and_without_rows(tmp_path: Path) -> None:
    _run_notebook(write_run(tmp_path / "free").root)
    _run_notebook(write_run(tmp_path / "empty", behaviour=lambda p, s, n: None, targets=TARGETS).root)


def test_jupyter_shows_the_explorer(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", targets=TARGETS)
    source = f"import analysis\nanalysis.explore({str(run.root)!r}, targets={{'rate_E': (3, 6)}})"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    resources = {"metadata": {"path": str(REPOSITORY)}}
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    (output,) = notebook.cells[0].outputs
    shown = output["data"]["text/html"]
    assert shown.startswith("<iframe srcdoc=")
    expected = analysis.explore(run.root, targets={"rate_E": (3, 6)})._repr_html_()
    assert shown == expected


@pytest.mark.nest
def test_notebook_leads_from_a_real_run_to_parameters(real_run: Path) -> None:
    cells = _run_notebook(real_run)
    printed = "".join(output.get("text", "") for cell in cells for output in cell.outputs)
    assert "[parameters]\nI_th_E = " in printed
    pictures = [output for cell in cells for output in cell.outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 5

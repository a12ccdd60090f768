"""How a worker cuts its points into batches, and for how many it has the simulator build."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from workplaces import Workplace

from simulators.records.job import Job
from simulators.worker.exit_codes import DONE

SPY = r"""
import json
import simulators.backends.poisson_simulator as stand_in

def told(name):
    before = getattr(stand_in.PoissonSimulator, name)
    def told(self, *given):
        size = given[2] if name == "build" else len(given[0])
        with open("calls", "a") as file:
            file.write(json.dumps([name, size]) + "\n")
        return before(self, *given)
    setattr(stand_in.PoissonSimulator, name, told)

told("build")
told("run")
"""


@pytest.fixture
def calls(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[tuple[str, int]]]:
    """Have workers note what they build for and how many points they run."""
    monkeypatch.setenv("PYTHONPATH", str(workplace.folder))
    (workplace.folder / "sitecustomize.py").write_text(SPY)
    return lambda: [tuple(json.loads(line)) for line in (workplace.folder / "calls").read_text().splitlines()]


def test_a_part_filled_batch_is_no_larger_than_what_is_in_it(
    workplace: Workplace, make_job: Callable[..., Job], calls: Callable[[], list[tuple[str, int]]]
) -> None:
    job = make_job(7, settings={"batch": 6})
    other = replace(job.points[6], point_id="q", network_seed=8)
    workplace.write(replace(job, points=(*job.points, other)))
    assert workplace.run()[0] == DONE
    # seven points are 4 and 3, on one build; that of another seed is built for itself alone
    assert calls() == [("build", 4), ("run", 4), ("run", 3), ("build", 1), ("run", 1)]
    assert [row["point_id"] for row in workplace.rows()] == [*(f"p{k}" for k in range(7)), "q"]


def test_a_larger_batch_than_was_built_for_is_built_anew(
    workplace: Workplace, make_job: Callable[..., Job], calls: Callable[[], list[tuple[str, int]]]
) -> None:
    workplace.write(make_job(4, settings={"batch": 6}))
    workplace.marker.parent.mkdir()
    workplace.marker.write_text('{"deaths": {"p0": 1}, "deaths_in_loading": 0}')
    assert workplace.run()[0] == DONE
    assert calls() == [("build", 1), ("run", 1), ("build", 3), ("run", 3)], "what died runs alone"

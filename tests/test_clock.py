"""The clock of the machine is set back while a worker runs: nothing is lost, there twice or run again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from required import skip_or_fail
from workplaces import Workplace, wait_until

from simulators.records.job import Job, Simulation
from simulators.worker.exit_codes import DONE


def faketime() -> Path:
    """The library that tells a process another time of day; what counts seconds goes on, as on a real machine."""
    found = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if found is None:
        skip_or_fail("libfaketime (Debian: apt install libfaketime)")
    return found


@pytest.mark.nest
def test_the_clock_may_be_set_back_in_mid_run(
    workplace: Workplace, make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = workplace.folder / "clock"
    clock.write_text("+0\n")
    for name, value in {
        "LD_PRELOAD": str(faketime()),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }.items():
        monkeypatch.setenv(name, value)
    job = make_job(10, "nest", Simulation(0.1, 100.0, 900.0), timeout=3600.0)
    workplace.write(replace(job, points=job.points[:8]))
    worker = workplace.start()
    wait_until(lambda: len(workplace.rows()) >= 2, 200.0)
    clock.write_text("-3d\n")
    _, log = worker.communicate(timeout=200)
    assert worker.returncode == DONE, log
    rows = workplace.rows()
    assert [(row["point_id"], row["status"]) for row in rows] == [(f"p{k}", "ok") for k in range(8)]
    assert rows[0]["finished"] - rows[-1]["finished"] > timedelta(days=2), "the clock was set back between rows"
    assert datetime.now(UTC) - rows[-1]["finished"] > timedelta(days=2)
    assert all(row["t_simulate"] >= 0.0 for row in rows)

    workplace.write(job)
    assert workplace.run(timeout=200.0)[0] == DONE
    again = workplace.rows()
    assert [row["point_id"] for row in again] == [f"p{k}" for k in range(10)]
    assert [row["finished"] for row in again[:8]] == [row["finished"] for row in rows], "only what is new was run"

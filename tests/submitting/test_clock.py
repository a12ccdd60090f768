"""The clock of the machine is set back while a worker runs: nothing is lost, there twice or run again."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from command_line import SLOW, every_point_once, gridsearch, ok_rows, start
from required import skip_or_fail
from sweeps import write_sweep
from workplaces import Workplace, wait_until

from simulators.records.job import Job, Simulation
from simulators.records.run_directory import RunDirectory
from simulators.records.summaries.summary import read_summary
from simulators.worker.exit_codes import DONE


def faketime() -> Path:
    """The library that tells a process another time of day; what counts seconds goes on, as on a real machine."""
    found = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if found is None:
        skip_or_fail("libfaketime (Debian: apt install libfaketime)")
    return found


# libfaketime 0.9.10 refuses `clock_nanosleep` until a monotonic time, which Python's sleep is: enough for a worker,
# which never sleeps, not for a submit. This tells the wrong time of day and leaves all else alone.
_SET_BACK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long offset(void) {
    long seconds = 0;
    FILE *file = fopen(getenv("CLOCK_OFFSET_FILE"), "r");
    if (file) { if (fscanf(file, "%ld", &seconds) != 1) seconds = 0; fclose(file); }
    return seconds;
}
int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *)) dlsym(RTLD_NEXT, "clock_gettime");
    int code = real(clock, now);
    if (!code && clock == CLOCK_REALTIME) now->tv_sec += offset();
    return code;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec time;
    (void) zone;
    int code = clock_gettime(CLOCK_REALTIME, &time);
    now->tv_sec = time.tv_sec; now->tv_usec = time.tv_nsec / 1000;
    return code;
}
time_t time(time_t *told) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (told) *told = now.tv_sec;
    return now.tv_sec;
}
"""


def another_clock(folder: Path, clock: Path) -> dict[str, str]:
    """Environment of processes whose time of day is off by the seconds that a file says."""
    compiler = shutil.which("cc")
    if compiler is None:
        skip_or_fail("a C compiler")
    source, library = folder / "set_back.c", folder / "set_back.so"
    source.write_text(_SET_BACK)
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    clock.write_text("0\n")
    return {"LD_PRELOAD": str(library), "CLOCK_OFFSET_FILE": str(clock)}


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


def test_the_clock_of_a_submit_may_be_set_back_in_mid_run(tmp_path: Path) -> None:
    """The submitting process, its workers, and the commands after it: files are from the future then."""
    clock = tmp_path / "clock"
    environment = another_clock(tmp_path, clock)
    axis = "I_th_E = {{ start = 1.0, step = 0.01, num = {} }}"
    write_sweep(tmp_path, axes=axis.format(12), more=SLOW)
    submit = start(tmp_path, "submit", "sweep.toml", **environment)
    wait_until(lambda: submit.poll() is not None or len(ok_rows(tmp_path)) >= 3, 200.0)
    assert submit.poll() is None, submit.communicate()
    clock.write_text(f"{-3 * 86400}\n")
    said = "".join(submit.communicate(timeout=200))
    assert submit.returncode == 0 and "Traceback" not in said, said
    assert every_point_once(tmp_path, 12)
    before = finished(tmp_path)
    assert max(before.values()) - min(before.values()) > timedelta(days=2), "the clock was set back between rows"
    assert "12 of 12" in gridsearch(tmp_path, "submit", "sweep.toml", **environment)
    gridsearch(tmp_path, "status", "results/small", **environment)
    write_sweep(tmp_path, axes=axis.format(15), more=SLOW)
    gridsearch(tmp_path, "submit", "sweep.toml", **environment)
    assert every_point_once(tmp_path, 15)
    assert finished(tmp_path).items() >= before.items(), "only what is new was run"


def finished(folder: Path) -> dict[str, datetime]:
    """When each point was finished, as its row says."""
    files = RunDirectory(folder / "results" / "small").summary_files()
    return {row["point_id"]: row["finished"] for path in files for row in read_summary(path).to_pylist()}

"""The command line: ``python -m gridsearch <command>``.

Exit codes: 0 done · 1 some points have no good result · 2 the input is wrong · 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import logging
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import analysis
from gridsearch.commands import check, display
from gridsearch.commands.live_page import LivePage
from gridsearch.commands.starter import starter_model, starter_sweep
from gridsearch.inputs.input_files import InputError, Problem
from gridsearch.inputs.named_code import named_code
from gridsearch.planning.in_flight import count_missing, look_up, seconds_left
from gridsearch.planning.plan import Plan, make_plan
from gridsearch.submitting.owner import Busy
from gridsearch.submitting.recompute import recompute
from gridsearch.submitting.run_lock import lock_owner, locked, stop_owner
from gridsearch.submitting.submission import (
    check_conflict,
    check_jobs,
    check_simulators,
    preview_plan,
    restore,
    run_plan,
    sweep_leftovers,
    write_plan,
)
from jobs.executor import ExecutorError, JobFailure, Submission, executor_names, find_executor
from simulators.models import model_names
from simulators.records.run_directory import RunDirectory

if TYPE_CHECKING:
    import pandas as pd

DONE, SOME_FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130

# Objects between two looks for garbage: points are kept until a command ends, and to look at all of them whenever a few
# hundred were added is a twentieth of the time it takes to plan a hundred thousand
_COLLECT_EVERY = 100_000

_WATCH = 2.0  # s between two looks
_WATCH_POOL = 10.0  # s, where the jobs are a pool's


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        In place of those of the process.
    """
    options = _parser().parse_args(arguments)
    gc.set_threshold(_COLLECT_EVERY, *gc.get_threshold()[1:])
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code: int = options.run(options)
    except InputError as error:
        display.show_problems(error)
        return WRONG_INPUT
    except (Busy, ExecutorError, analysis.RunError) as error:
        display.show_error(str(error))
        return WRONG_INPUT
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        display.show_error(f"{where}{error.strerror or error}; what was finished before is kept")
        return WRONG_INPUT
    except KeyboardInterrupt:
        display.show_error("interrupted; finished points are kept, and the same submit goes on from here")
        return INTERRUPTED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gridsearch", description="Calibrate spiking networks over parameter grids."
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    init = commands.add_parser("init", help="write a commented sweep to start from")
    init.add_argument("sweep", type=Path, nargs="?", default=Path("sweep.toml"))
    init.add_argument("--model", default="clustered", help="a model there is, or the name of a new one of your own")
    init.set_defaults(run=_init)

    command = commands.add_parser("check", help="describe a model's networks and try them on every simulator at hand")
    command.add_argument("file", type=Path, help="a sweep, or a model's Python file")
    command.set_defaults(run=_check)

    for name, run, text in (
        ("plan", _plan, "say what a submit would do: points, jobs, hours, memory, disk"),
        ("submit", _submit, "run what is not done yet"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("sweep", type=Path)
        _add_results(command)
        command.add_argument("--retry-failed", action="store_true", help="also run points again that failed")
        command.add_argument("--executor", help="in place of the sweep's")
        command.add_argument("--replace", action="store_true", help="let this sweep take over a folder of its name")
        if name == "plan":
            command.add_argument(
                "--preview", action="store_true", help="print only what the executor would get (a DAG, say)"
            )
        command.set_defaults(run=run)

    for name, run, text in (
        ("status", _status, "say how far a run is"),
        ("cancel", _cancel, "stop a run; finished points are kept"),
        ("report", _report, "write a run's report and draw its figures anew"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("folder", type=Path, metavar="run", help="the run's folder, results/<name>")
        if name == "status":
            command.add_argument(
                "--watch", action="store_true", help="look again every few seconds until all jobs have ended"
            )
            command.add_argument(
                "--html", action="store_true", help="write the run's report; with --watch anew as rows arrive"
            )
        if name == "report":
            command.add_argument("--pdf", action="store_true", help="keep the figures as PDF too")
            command.add_argument(
                "--after-jobs",
                nargs=2,
                metavar=("STATUS", "FAILED"),
                help="say how a pool's jobs fared (0: well; how many failed), and fail if points are missing",
            )
        command.set_defaults(run=run)
    return parser


def _add_results(command: argparse.ArgumentParser) -> None:
    command.add_argument("--results", type=Path, default=Path("results"), help="folder of runs (default: results)")


def _init(options: argparse.Namespace) -> int:
    if options.model in model_names():
        files = {options.sweep: starter_sweep(options.model)}
        then = f"plan {options.sweep}"
    else:
        if not options.model.isidentifier():
            rule = f"must be the name of a Python module, or one of {', '.join(model_names())}"
            raise InputError([Problem(options.sweep, "--model", options.model, rule)])
        texts = starter_model(options.model)
        files = {options.sweep.with_name(name): text for name, text in texts.items() if name != "sweep.toml"}
        files[options.sweep] = texts["sweep.toml"]
        then = f"check {options.sweep.with_name(f'{options.model}.py')}"
    problems = [Problem(path, "", None, "exists already; name another file") for path in files if path.exists()]
    if problems:
        raise InputError(problems)
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    display.say(f"wrote {', '.join(map(str, files))}; next: python -m gridsearch {then}")
    return DONE


def _check(options: argparse.Namespace) -> int:
    display.show_code(named_code(options.file))
    checked = check.open_for_check(options.file)
    networks = check.describe_networks(checked)
    display.show_network(networks[0][1], len(networks))
    trials = {name: check.try_simulator(checked, name, networks) for name in checked.settings}
    display.show_trials(trials)
    return SOME_FAILED if any(trial.failure or trial.problems for trial in trials.values()) else DONE


def _make_plan(options: argparse.Namespace, preview: bool = False, before: Plan | None = None) -> Plan:
    plan = make_plan(options.sweep, options.results, options.retry_failed, options.executor, preview, before)
    check_conflict(plan, options.replace)
    return plan


def _plan(options: argparse.Namespace) -> int:
    display.show_code(named_code(options.sweep), aside=options.preview)
    if options.preview:
        with contextlib.redirect_stdout(sys.stderr):  # what a model prints is no line of the preview
            plan = _make_plan(options, preview=True)
        sys.stdout.write(preview_plan(plan))
    else:
        display.show_plan(_make_plan(options))
    return DONE


def _submit(options: argparse.Namespace) -> int:
    display.show_code(named_code(options.sweep))
    plan = _make_plan(options)
    check_simulators(plan)
    check_jobs(plan)
    with locked(plan.run):
        restore(plan)
        before, plan = plan, _make_plan(options, before=plan)  # another submit may have ended meanwhile
        if plan is not before:
            check_jobs(plan)
        display.show_plan(plan)
        sweep_leftovers(plan)
        write_plan(plan, options.replace)
        outcome: list[JobFailure] | Submission = []
        n_recomputed = sum(len(share.recomputed) for share in plan.simulators.values())
        if n_recomputed:
            with display.counting_bar(n_recomputed, "statistics") as count:
                recompute(plan, count)
        if plan.jobs:
            with display.progress_bar(sum(share.n_left for share in plan.simulators.values())) as report:
                outcome = run_plan(plan, report)
        elif any(share.n_in_flight for share in plan.simulators.values()):
            outcome = Submission("nothing to submit: everything is done or in flight", ())
        elif not n_recomputed:
            n_failed = sum(share.n_failed for share in plan.simulators.values())
            hint = f"; --retry-failed runs the {n_failed} failed ones again" if n_failed else ""
            display.say(f"nothing to run: every point has a row{hint}")
        if isinstance(outcome, Submission):
            display.show_submission(outcome, plan.run)
            return DONE
        display.show_failures(outcome)
        return _conclude(plan.run)


def _conclude(run: RunDirectory, anew: bool = False, pdf: bool = False) -> int:
    """Draw the figures if there is news, say where everything is, and return the exit code the rows deserve."""
    table = analysis.open_run(run.root)
    with _left_out("figures", run):
        if anew or not analysis.plots.figures_are_current(run.root):
            analysis.draw_figures(run.root, table, pdf or None)
    n_good = int((table["status"] == "ok").sum())
    display.say(f"{n_good} of {len(table)} results are good")
    for reason in _reasons(table):
        display.say(reason)
    display.say(f"results: {run.root}")
    for figure in sorted(run.figures.glob("*.png")):
        display.say(f"figure:  {figure}")
    return DONE if n_good == len(table) else SOME_FAILED


@contextlib.contextmanager
def _left_out(what: str, run: RunDirectory) -> Iterator[None]:
    """Do without what needs a package that is not here, and say so: where jobs are collected, less may be installed."""
    try:
        yield
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "analysis", "gridsearch", "jobs", "simulators"):
            raise
        display.say(f"{what} left out: {error}; where {package} is installed: python -m gridsearch report {run.root}")


def _reasons(table: pd.DataFrame) -> list[str]:
    """Return the most frequent reasons of points without a good result."""
    bad = table[~table["status"].isin(["ok", "missing"])]
    seen = Counter(zip(bad["simulator"], bad["status"], bad["error"], strict=True))
    return [f"{count} × {simulator} {status}: {error}" for (simulator, status, error), count in seen.most_common(5)]


def _status(options: argparse.Namespace) -> int:
    run = RunDirectory(options.folder.resolve())  # its last part is the run's name
    page = LivePage(run) if options.html else None
    try:
        return _look(run, options.watch, page)
    finally:
        if page is not None:
            page.end(whole=False)


def _look(run: RunDirectory, watch: bool, page: LivePage | None) -> int:
    """Say how far a run is: once, or again and again until all jobs have ended."""
    while True:
        table = analysis.open_run(run.root, columns=("error",))
        counts = {
            str(simulator): Counter({str(status): int(n) for status, n in rows["status"].value_counts().items()})
            for simulator, rows in table.groupby("simulator", observed=True)
        }
        working = lock_owner(run)
        flights = look_up(run)
        left = None if working is None else seconds_left(run)
        for simulator, rows in table.groupby("simulator", observed=True):
            count = counts[str(simulator)]
            jobs = [job for flight in flights for job in flight.jobs if job.simulator == simulator]
            missing = rows["point_id"][rows["status"] == "missing"]
            n_bad = len(rows) - len(missing) - count["ok"]
            count["missing"] = count_missing(missing, n_bad, jobs, run)
        if watch and display.console.is_terminal:
            display.console.clear()
        display.show_status(run.root.name, counts, _reasons(table), working, flights, left)
        in_flight = any(flight.description for flight in flights)
        if page is not None:
            working_on = watch and (working is not None or in_flight)
            display.say(f"report:  {page.show(table) if working_on else page.end()}")
        if not watch or (working is None and not in_flight):
            return DONE if (table["status"] == "ok").all() else SOME_FAILED
        time.sleep(_WATCH_POOL if in_flight else _WATCH)


def _cancel(options: argparse.Namespace) -> int:
    run = RunDirectory(options.folder)
    analysis.run_of(run.root)
    done = [find_executor(name).cancel(run) for name in executor_names()]
    owner = lock_owner(run)
    if owner is not None:
        done.append(stop_owner(owner))
    said = [text for text in done if text is not None]
    for text in said or ["nothing is at work, neither on this machine nor on a pool"]:
        display.say(f"{run.root}: {text}")
    return DONE


def _report(options: argparse.Namespace) -> int:
    run = RunDirectory(options.folder.resolve())  # its last part is the run's name
    code = _conclude(run, anew=True, pdf=options.pdf)
    with _left_out("report", run):
        display.say(f"report:  {analysis.write_report(run.root)}")
    if options.after_jobs is None:
        return code
    status, n_failed = options.after_jobs
    n_missing = int((analysis.open_run(run.root, columns=())["status"] == "missing").sum())
    display.say(f"the jobs ended with status {status}, {n_failed} of them failed; {n_missing} points are missing")
    # Points that diverged, say, are results too; for those that are missing somebody must submit again
    return SOME_FAILED if n_missing else DONE


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Treat a request to end like Ctrl-C."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())

"""Keeps the jobs of a DAG at work from machines that fail one job after the other.

DAGMan runs it beside the jobs, on the access point: it reads what is added to their event log, and tells the jobs that
wait whom to avoid (see `jobs.htcondor_executor.descriptions.policy`), for some time that it renews as long as other
machines serve: there may be no elsewhere, and it may be gone itself. It is a help and in nobody's way: what goes wrong
at one look is tried again at the next, and its exit code is 0, since DAGMan holds any other against the DAG.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from jobs.htcondor_executor import schedd
from jobs.htcondor_executor.descriptions.policy import AVOIDED, AVOIDED_UNTIL, SIMULATOR
from jobs.htcondor_executor.logs.event_log import NodeState
from jobs.htcondor_executor.logs.growing_log import GrowingLog
from jobs.htcondor_executor.logs.own_log import has_ended
from jobs.htcondor_executor.logs.progress import FORGIVEN, bad_machines
from jobs.htcondor_executor.record import dagman_log, node_log, read_record

log = logging.getLogger(__name__)


class Watch:
    """Looks after the jobs of one DAG.

    Parameters
    ----------
    folder : Path
        Of the DAG's files.
    dag : int
        Cluster of DAGMan's own job.
    seconds : float
        How long jobs avoid a machine once no other serves; half as long again at most.
    known : collection of str
        Machines that the jobs avoid since the submit.
    """

    def __init__(self, folder: Path, dag: int, seconds: float, known: Collection[str] = ()) -> None:
        self._folder = folder
        self._dag = dag
        self._seconds = seconds
        self._known = set(known)
        self._begun: float | None = None
        self._log = GrowingLog(node_log(folder))
        self._until: dict[str, float] = {}  # by simulator
        self._has_told = False

    def look(self, now: float) -> int:
        """Read what is new, and tell the jobs that wait if they know another; return how many did.

        Raises
        ------
        ExecutorError
            If the record is damaged, or the schedd does not answer or refuses.
        """
        states, machines = self._log.read()
        bad = self._still_known(states, now) | bad_machines(states, machines, now).keys()
        if not bad and not self._has_told:  # as at the submit: nobody is asked
            return 0
        record = read_record(self._folder)
        if record is None:
            return 0
        self._has_told = True
        n_told = 0
        for simulator in sorted({job.simulator for job in record.jobs.values()}):
            # Who serves others need not serve these: a processor, a graphics processor
            names = [name for name, job in record.jobs.items() if job.simulator == simulator]
            own = [states[name] for name in names if name in states]
            until = self._renewed(simulator, own, bad, now)
            told = {AVOIDED: f'"{",".join(sorted(bad))}"', AVOIDED_UNTIL: str(int(until))}
            n_told += schedd.change_waiting(record.schedd, self._dag, f'{SIMULATOR} == "{simulator}"', told)
        if n_told:
            log.info("%d jobs that wait avoid now: %s", n_told, ", ".join(sorted(bad)) or "none")
        return n_told

    def _still_known(self, states: Mapping[str, NodeState], now: float) -> set[str]:
        """Return the machines known at the submit, but for those that have served since; a day later none."""
        self._begun = now if self._begun is None else self._begun
        self._known -= {state.machines[-1] for state in states.values() if state.machines and state.phase == "done"}
        return self._known if now - self._begun < FORGIVEN else set()

    def _renewed(self, simulator: str, states: Sequence[NodeState], bad: Collection[str], now: float) -> float:
        """Return until when a simulator's jobs avoid bad machines, put off as long as others serve."""
        until = self._until.get(simulator, 0.0)
        # Not at every look, as every change is one of all jobs that wait
        if bad and until - now < 0.5 * self._seconds and _serve(states, bad, now - 0.5 * self._seconds):
            until = self._until[simulator] = now + self._seconds
        return until


def _serve(states: Sequence[NodeState], bad: Collection[str], since: float) -> bool:
    """Whether machines that are not bad run jobs, or have done some since."""
    others = [state for state in states if state.machines and state.machines[-1] not in bad]
    return any(state.phase == "running" or (state.phase == "done" and state.since > since) for state in others)


def main(arguments: Sequence[str] | None = None) -> int:
    """Watch until DAGMan ends this process, or has ended itself."""
    parser = argparse.ArgumentParser(prog="python -m jobs.htcondor_executor.watch", description=__doc__)
    parser.add_argument("folder", type=Path, help="of the DAG's files")
    parser.add_argument("dag", type=int, help="cluster of DAGMan's own job")
    parser.add_argument("every", type=float, help="s between two looks")
    parser.add_argument("seconds", type=float, help="s that jobs avoid a machine once no other serves")
    parser.add_argument("known", nargs="*", help="machines that jobs avoid since the submit")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    watch = Watch(given.folder, given.dag, given.seconds, given.known)
    while not has_ended(dagman_log(given.folder)):
        try:
            watch.look(time.time())
        except Exception as error:  # the bindings raise what they like
            log.warning("%s; looking again in %g s", error, given.every)
        time.sleep(given.every)
    return 0


if __name__ == "__main__":
    sys.exit(main())

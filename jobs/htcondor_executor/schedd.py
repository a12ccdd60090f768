"""The schedds of a pool: the only module that imports HTCondor's bindings, and only when used."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jobs.executor import ExecutorError
from jobs.htcondor_executor.logs.event_log import Event, Kind
from jobs.htcondor_executor.logs.holds import Hold

_KINDS: Mapping[str, Kind] = {
    "SUBMIT": "submit",
    "EXECUTE": "execute",
    "JOB_EVICTED": "requeue",
    "SHADOW_EXCEPTION": "requeue",
    "JOB_RECONNECT_FAILED": "requeue",
    "JOB_HELD": "hold",
    "JOB_RELEASED": "release",
    "JOB_TERMINATED": "terminate",
    "JOB_ABORTED": "remove",
}
_NODE = re.compile(r"DAG Node: (\S+)")
_VERSION = re.compile(r"\d+\.\d+\.\d+")

log = logging.getLogger(__name__)


class UnreachableError(ExecutorError):
    """A schedd that cannot be asked from here."""


def bindings_are_installed() -> bool:
    """Say whether HTCondor's bindings are there, without importing them."""
    return importlib.util.find_spec("htcondor2") is not None


def why_unavailable() -> str | None:
    """Say why jobs cannot be submitted from here, or return None if they can.

    To be asked is one right (READ), to be given jobs another (WRITE), for which a schedd must know who asks.
    """
    if os.geteuid() == 0:
        return "HTCondor runs no jobs of root; submit as an ordinary user"
    try:
        import htcondor2
    except ImportError:
        return "the Python package htcondor is not installed (pip install 'gridsearch[htcondor]')"
    try:
        location = htcondor2.Collector().locate(htcondor2.DaemonType.Schedd)
    except (htcondor2.HTCondorException, KeyError, TypeError) as error:
        return f"no schedd answers on this machine ({error})"
    may_read = False
    try:
        htcondor2.Schedd(location).query(constraint="false", projection=["ClusterId"])
        may_read = True
        if htcondor2.ping(location, "WRITE").get("AuthorizationSucceeded"):
            return None
    except htcondor2.HTCondorException as error:
        if not may_read and "AUTHENTICATE" not in str(error):
            return f"no schedd answers on this machine ({error})"
    ours, theirs = (
        found.group() if (found := _VERSION.search(str(text))) else "of unknown version"
        for text in (htcondor2.version(), location.get("CondorVersion", ""))
    )
    return (
        f"the schedd {location.get('Name')} {'may be asked from here (READ) but ' if may_read else ''}takes no jobs "
        f"from you (WRITE): it does not know who you are, or does not let you. The bindings {ours} need a token to "
        f"prove it to a schedd {theirs} where file-system authentication fails between the two: condor_token_fetch "
        "-token gridsearch, or ask its administrator for one, into ~/.condor/tokens.d with mode 600"
    )


def local_name() -> str:
    """Return the name of the schedd of this machine.

    Raises
    ------
    UnreachableError
        If there is none.
    """
    import htcondor2

    try:
        return str(htcondor2.Collector().locate(htcondor2.DaemonType.Schedd)["Name"])
    except (htcondor2.HTCondorException, KeyError, TypeError) as error:
        raise UnreachableError(f"no schedd answers on this machine ({error})") from error


def submit_dag(dag: Path, folder: Path, name: str, commands: Mapping[str, str]) -> tuple[int, str]:
    """Submit a DAG to this machine's schedd and return its cluster and GlobalJobId.

    Parameters
    ----------
    dag : Path
        The DAG file.
    folder : Path
        In which DAGMan runs.
    name : str
        Batch name.
    commands : mapping of str to str
        Submit commands of DAGMan's own job.

    Raises
    ------
    ExecutorError
        If the schedd does not take it.
    """
    import htcondor2

    try:
        submit = htcondor2.Submit.from_dag(str(dag), {"batch-name": name})
        submit["initialdir"] = str(folder)
        for key, value in commands.items():
            submit[key] = value
        schedd = htcondor2.Schedd()
        cluster = schedd.submit(submit).cluster()
        ads = schedd.query(constraint=f"ClusterId == {cluster}", projection=["GlobalJobId"])
    except htcondor2.HTCondorException as error:
        raise ExecutorError(f"HTCondor does not take the DAG {dag}: {error}") from error
    return int(cluster), str(ads[0]["GlobalJobId"]) if ads else ""


def is_there(schedd: str, cluster: int, global_id: str, user_log: Path) -> bool:
    """Say whether a schedd has a job, and it is the one we mean: numbers start anew where a queue was lost.

    Parameters
    ----------
    schedd : str
        Its name; that of this machine if empty.
    cluster : int
        Of the job.
    global_id : str
        Its GlobalJobId; if empty it is known by its event log.
    user_log : Path
        The event log.

    Raises
    ------
    UnreachableError
        If the schedd does not answer from here.
    """
    ads = _query(schedd, f"ClusterId == {cluster}", ["GlobalJobId", "Iwd", "UserLog"])
    if global_id:
        return any(ad.get("GlobalJobId") == global_id for ad in ads)
    return any(_user_log(ad) == user_log.resolve() for ad in ads)


def find_dag(schedd: str, user_log: Path) -> int | None:
    """Return the cluster of the DAG whose own job writes an event log, or None if the schedd has none.

    Raises
    ------
    UnreachableError
        If the schedd does not answer from here.
    """
    ads = _query(schedd, "JobUniverse == 7", ["ClusterId", "Iwd", "UserLog"])
    mine = [int(ad["ClusterId"]) for ad in ads if _user_log(ad) == user_log.resolve()]
    return max(mine, default=None)


def _user_log(ad: Any) -> Path:
    return Path(str(ad.get("Iwd", "/")), str(ad.get("UserLog", ""))).resolve()


def remove(schedd: str, cluster: int, global_id: str) -> None:
    """Remove a job, and with a DAG's its nodes; one that is gone or being removed is none to remove.

    Raises
    ------
    ExecutorError
        If the schedd does not, or does not let us.
    """
    import htcondor2

    mine = f"ClusterId == {cluster}" + (f' && GlobalJobId == "{global_id}"' if global_id else "")
    try:
        answer = _schedd(schedd).act(htcondor2.JobAction.Remove, mine, "cancelled")
    except htcondor2.HTCondorException as error:
        raise ExecutorError(f"HTCondor does not remove DAG {cluster}: {error}") from error
    if answer.get("TotalPermissionDenied"):
        owner = next((str(ad.get("Owner")) for ad in _query(schedd, mine, ["Owner"])), "somebody else")
        raise ExecutorError(f"HTCondor does not let you remove DAG {cluster}: it is {owner}'s, who can cancel it")
    if answer.get("TotalError") or answer.get("TotalBadStatus"):
        raise ExecutorError(f"HTCondor could not remove DAG {cluster}; try again, or see: condor_rm {cluster}")


def longest_leave(schedd: str, dag: int) -> float:
    """How long the jobs of a DAG may take to leave in s, as they asked for.

    Raises
    ------
    UnreachableError
        If the schedd does not answer from here.
    """
    ads = _query(schedd, f"DAGManJobId == {dag}", ["JobMaxVacateTime"])
    return max((float(ad.get("JobMaxVacateTime", 0)) for ad in ads), default=0.0)


def nodes_in_queue(schedd: str, dag: int) -> set[str]:
    """Return the names of the nodes of a DAG that have a job in the queue.

    Raises
    ------
    UnreachableError
        If the schedd does not answer from here.
    """
    return {str(ad.get("DAGNodeName")) for ad in _query(schedd, f"DAGManJobId == {dag}", ["DAGNodeName"])}


def change_waiting(schedd: str, dag: int, whose: str, attributes: Mapping[str, str]) -> int:
    """Give attributes of some of a DAG's jobs other values, where they wait; return of how many.

    Parameters
    ----------
    schedd : str
        Its name; that of this machine if empty.
    dag : int
        Cluster of DAGMan's own job.
    whose : str
        ClassAd expression that is true of the jobs.
    attributes : mapping of str to str
        Of the jobs, to ClassAd literals.

    Raises
    ------
    UnreachableError
        If the schedd does not answer from here, or does not let us.
    """
    import htcondor2

    waiting = f"DAGManJobId == {dag} && (JobStatus == 1 || JobStatus == 5) && ({whose})"
    n_changed = 0
    for name, value in attributes.items():
        others = f"{waiting} && {name} isnt {value}"
        if not _query(schedd, others, ["ClusterId"]):  # none to edit is an error
            continue
        try:
            n_changed = max(n_changed, int(_schedd(schedd).edit(others, name, value)))
        except htcondor2.HTCondorException as error:
            raise UnreachableError(f"the schedd does not change the jobs of DAG {dag} ({error})") from error
    return n_changed


class EventReader:
    """Reads an event log, and what is added to it each time it is asked again.

    Parameters
    ----------
    path : Path
        The log, which must be there.

    Attributes
    ----------
    n_read : int
        Events that were read, of any kind.
    has_failed : bool
        Whether it could not be read to its end.
    """

    def __init__(self, path: Path) -> None:
        import htcondor2

        self.n_read = 0
        self.has_failed = False
        self._path = path
        self._reader = htcondor2.JobEventLog(str(path))
        self._broken: type[Exception] = htcondor2.HTCondorException

    def new_events(self) -> Iterator[Event]:
        """Yield the events since the last time; half an event at the end is left for the next."""
        try:
            for event in self._reader.events(0):
                self.n_read += 1
                kind = _KINDS.get(event.type.name)
                if kind is not None:
                    yield _event(kind, event)
        except self._broken as error:
            self.has_failed = True
            log.warning("%s cannot be read to its end: %s", self._path, error)

    def close(self) -> None:
        """Close the log."""
        self._reader.close()


def read_events(path: Path) -> Iterator[Event]:
    """Read an event log; one that is not there yet, or cannot be opened, has no events."""
    if not path.exists():
        return
    try:
        opened = EventReader(path)
    except Exception as error:  # the bindings raise what they like: IOError, HTCondorException
        log.warning("%s cannot be read: %s", path, error)
        return
    with contextlib.closing(opened) as reader:
        yield from reader.new_events()


def _event(kind: Kind, event: Any) -> Event:
    node = _NODE.search(str(event.get("LogNotes", "")))
    hold = None
    if kind == "hold":
        hold = Hold(
            int(event.get("HoldReasonCode", 0)),
            int(event.get("HoldReasonSubCode", 0)),
            str(event.get("HoldReason", "no reason given")),
        )
    exit_code = event.get("ReturnValue") if event.get("TerminatedNormally") else None
    return Event(
        kind,
        event.cluster,
        float(event.timestamp),
        "" if node is None else node.group(1),
        hold,
        None if exit_code is None else int(exit_code),
        str(event.get("SlotName", "")).rpartition("@")[2],
        bool(event.get("TerminatedAndRequeued", False)),
    )


def _schedd(name: str) -> Any:
    import htcondor2

    try:
        collector = htcondor2.Collector()
        local = collector.locate(htcondor2.DaemonType.Schedd)
        if name in ("", local.get("Name")):
            return htcondor2.Schedd(local)
    except (htcondor2.HTCondorException, KeyError, TypeError) as error:
        if not name:
            raise UnreachableError(f"no schedd answers on this machine ({error})") from error
    try:
        location = htcondor2.Collector().locate(htcondor2.DaemonType.Schedd, name)
    except (htcondor2.HTCondorException, KeyError, TypeError) as error:
        raise UnreachableError(f"the pool's collector does not answer ({error})") from error
    if location is None:  # which Schedd() would take for this machine's
        raise UnreachableError(f"the pool's collector knows no schedd {name} now")
    return htcondor2.Schedd(location)


def _query(schedd: str, constraint: str, attributes: list[str]) -> list[Any]:
    import htcondor2

    try:
        return list(_schedd(schedd).query(constraint=constraint, projection=attributes))
    except htcondor2.HTCondorException as error:
        raise UnreachableError(f"the schedd {schedd or 'of this machine'} does not answer ({error})") from error

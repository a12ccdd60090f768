"""What HTCondor itself is to do when a job fails, without anybody looking: ClassAd expressions. Pure.

A job that failed is tried again by the schedd, in its place in the queue, not by DAGMan as a new job: so it remembers
where it failed and how much memory it had. The attributes are those of the HTCondor manual, "Job ClassAd Attributes";
a job that goes back to idle has the machines of its earlier starts as ``MachineAttrMachine1``, ``2`` and so on.
"""

from __future__ import annotations

from collections.abc import Sequence

from jobs.htcondor_executor.logs.holds import TRANSFER_CODES
from simulators.worker.exit_codes import DONE, OUT_OF_MEMORY, TRANSIENT, UNUSABLE

# Machines that may fail a job before it is given up: what three cannot do is not for a fourth.
MAX_MACHINES = 3
# Holds for memory that are answered with twice the memory, before the job stays held.
MAX_DOUBLINGS = 3

# Attributes of a job: machines that fail one job after the other, with commas between them, and until when it does not
# go there however long it waits (s since the epoch): as long as others serve, `jobs.htcondor_executor.watch` renews it
AVOIDED = "AvoidedMachines"
AVOIDED_UNTIL = "AvoidedUntil"
SIMULATOR = "SweepSimulator"  # for whom others may serve or not

_KILLED = 137  # as a shell, and Docker, write the end by signal 9

# Holds that belong to the machine: the same job may start on another. By code, with the names under which
# NumHoldsByReason counts them (12 and 13 were named anew in HTCondor 24).
_MACHINE_HOLDS = {
    6: ("FailedToCreateProcess",),
    12: ("DownloadFileError", "TransferOutputError"),
    13: ("UploadFileError", "TransferInputError"),
    14: ("IwdError",),
    19: ("HookPrepareJobFailure",),
    23: ("FailedToAccessUserAccount",),
    35: ("InvalidDockerImage",),
    45: ("SingularityTestFailed",),
    49: ("CannotSwitchPrimaryGroup",),
}


def _held(name: str) -> str:
    return f"(MY.NumHoldsByReason.{name} ?: 0)"


_MACHINE_HELD = " + ".join(_held(name) for names in _MACHINE_HOLDS.values() for name in names)
_STARTS_HELD = " + ".join(
    _held(name) for code, names in _MACHINE_HOLDS.items() if code not in TRANSFER_CODES for name in names
)
_FAILED = "(MY.NumJobCompletions ?: 0)"
# Holds for memory: by HTCondor, by a machine's WANT_HOLD, by ours (`on_exit_hold`) after a kill
_MEMORY_HELD = " + ".join(_held(name) for name in ("JobOutOfResources", "StartdHeldJob", "JobPolicy"))
# A machine's WANT_HOLD, and a periodic_hold of the user's, may be for something else. Holds are counted by code alone;
# what the last one was for, which somebody has released by hand then, the job knows
_OTHER_POLICY = "(LastHoldReasonCode =?= 3 && LastHoldReasonSubCode =!= 34)"
_OTHER_MACHINE = '(LastHoldReasonCode =?= 21 && !regexp("memory|resident", LastHoldReason ?: "", "i"))'
_DOUBLINGS = (
    f"min({{{MAX_DOUBLINGS}, {_held('JobOutOfResources')}"
    f" + ({_OTHER_MACHINE} ? 0 : {_held('StartdHeldJob')})"
    f" + ({_OTHER_POLICY} ? 0 : {_held('JobPolicy')})}})"
)
_FOR_MEMORY = (
    "(HoldReasonCode == 34"
    ' || HoldReasonCode == 21 && regexp("memory|resident", HoldReason, "i")'
    " || HoldReasonCode == 3 && HoldReasonSubCode == 34)"
)


def memory_request(megabytes: str) -> str:
    """Return ``request_memory``: it doubles with every hold for memory, not with every start."""
    return f"{megabytes} * pow(2, {_DOUBLINGS})"


def disk_request(megabytes: str) -> str:
    """Return ``request_disk`` in KiB: a hold for lack of resources may be for the disk."""
    return f"{megabytes} * 1024 * pow(2, {_DOUBLINGS})"


def retry_commands(retries: int) -> dict[str, str]:
    """Return the submit commands that decide what follows when a job ends or is held.

    Trouble of a machine is tried on up to `MAX_MACHINES`; any other failure `retries` times; content that is wrong
    not again. Who was killed, for its memory most likely, is held and released with more.

    Parameters
    ----------
    retries : int
        How often a job that failed runs again.
    """
    killed = f"ExitCode =?= {OUT_OF_MEMORY} || ExitCode =?= {_KILLED} || (ExitBySignal =?= true && ExitSignal =?= 9)"
    codes = ", ".join(map(str, _MACHINE_HOLDS))
    # Ends that were held for memory, and released, count for themselves
    failures = f"{_FAILED} - {_held('JobPolicy')}"
    limit = f"(ExitCode =?= {TRANSIENT} ? {MAX_MACHINES} : {retries + 1})"
    return {
        "on_exit_remove": f"ExitCode =?= {DONE} || ExitCode =?= {UNUSABLE} || {failures} >= {limit}",
        "on_exit_hold": f"({killed}) && {_MEMORY_HELD} < {MAX_DOUBLINGS}",
        "on_exit_hold_reason": '"The worker was killed, most likely for its memory"',
        "on_exit_hold_subcode": "34",
        "periodic_release": (
            f"{_FOR_MEMORY} && {_MEMORY_HELD} <= {MAX_DOUBLINGS}"
            f" || member(HoldReasonCode, {{{codes}}}) && {_MACHINE_HELD} < {MAX_MACHINES}"
        ),
        "job_machine_attrs": "Machine",
        "job_machine_attrs_history_length": str(MAX_MACHINES + 1),
    }


def avoid_commands(simulator: str, machines: Sequence[str]) -> dict[str, str]:
    """Return the submit commands that say which machines fail one job after the other, as is known at the submit."""
    avoided = f'"{",".join(machines)}"'
    return {f"My.{AVOIDED}": avoided, f"My.{AVOIDED_UNTIL}": "0", f"My.{SIMULATOR}": f'"{simulator}"'}


def elsewhere(seconds: int) -> str:
    """Return the requirement that keeps a job from machines that failed it, or fail one job after the other.

    Parameters
    ----------
    seconds : int
        s after which a job that nobody else takes may go there again: there may be no elsewhere.
    """
    before = [f"TARGET.Machine =!= MY.MachineAttrMachine{i}" for i in range(1, MAX_MACHINES + 1)]
    mine = f"{_FAILED} + {_STARTS_HELD} == 0 || {' && '.join(before)}"
    waited = f"time() - MY.EnteredCurrentStatus > {seconds}"
    # Of the job, not written out: both are changed while jobs wait
    good = f"stringListIMember(TARGET.Machine, MY.{AVOIDED}) =!= true"
    return f"({mine} || {waited}) && ({good} || {waited} && time() > MY.{AVOIDED_UNTIL})"

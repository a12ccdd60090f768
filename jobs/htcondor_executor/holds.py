"""Why HTCondor holds a job, and what can be done about it, in words. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SLOT = re.compile(r"^Error from (?:\S+@)?([^\s:]+):")

# What the codes mean: HTCondor manual, "Job ClassAd Attributes", HoldReasonCode.
_REMEDIES = {
    1: "held by hand; condor_release lets it go on",
    3: "a policy of the pool or a periodic_hold asked for it; ask the pool's administrator what it limits",
    6: "the program could not be started: check [jobs.htcondor] python and the image",
    7: "the job's files could not be opened on the access point: check space and rights of the run's folder",
    12: "the job's files could not be brought back: check space and quota of the run's folder, then condor_release",
    13: "the job's files could not be brought to the machine: check that the run's folder is complete, then "
    "condor_release",
    14: "the job's folder does not exist there: with shared_filesystem = true the run's folder must be visible on "
    "every machine",
    16: "its input is still being sent; it goes on by itself",
    21: "a policy of the machine stopped it; ask the pool's administrator what it limits",
    22: "the job's own policy cannot be evaluated: check [jobs.htcondor] submit",
    26: "a limit of the access point stopped it (SYSTEM_PERIODIC_HOLD); ask the pool's administrator",
    34: "it needs more memory than it had, even after doubling: cancel, raise it with submit = "
    "{ request_memory = … } in [jobs.<simulator>], submit again",
    35: "the image is not on the machine or cannot be pulled: check [jobs.<simulator>] image, then condor_release",
    46: "it ran longer than it may (allowed_job_duration): cancel, lower minutes_per_job, submit again",
    47: "it ran longer than it may (allowed_execute_duration): cancel, lower minutes_per_job, submit again",
}


@dataclass(frozen=True)
class Hold:
    """A hold as HTCondor reports it.

    Parameters
    ----------
    code, subcode : int
        HoldReasonCode and HoldReasonSubCode.
    reason : str
        HoldReason.
    """

    code: int
    subcode: int
    reason: str


def explain(hold: Hold) -> str:
    """Say why a job is held and what can be done, in one line; the same on all slots of a machine."""
    reason = _SLOT.sub(r"on \1:", " ".join(hold.reason.split()).rstrip("."))
    remedy = _REMEDIES.get(hold.code, "see the code in the HTCondor manual; condor_release lets it try again")
    return f"held with code {hold.code}, subcode {hold.subcode}: {reason}. Remedy: {remedy}"

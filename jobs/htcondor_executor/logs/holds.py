"""Why HTCondor holds a job, and what can be done about it, in words. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SLOT = re.compile(r"^Error from (?:\S+@)?([^\s:]+):")

# What the codes mean: HTCondor manual, "Hold Reason Codes". Left out are those of universes and features that none of
# our jobs uses (Globus, standard, EC2, cron, deferral, scripts).
_REMEDIES = {
    1: "held by hand; condor_release lets it go on",
    3: "a periodic_hold or on_exit_hold asked for it: see [jobs.htcondor] submit, or ask the pool's administrator",
    4: "its credentials (a token, a proxy) are not valid: renew them, then condor_release",
    5: "an expression of the job's own policy is undefined: check [jobs.htcondor] submit (periodic_hold and its kin)",
    6: "the program could not be started: check [jobs.htcondor] python and the image",
    7: "the file for its standard output could not be opened: check space and rights of logs/, then condor_release",
    8: "the file of its standard input could not be opened: check the run's folder, then condor_release",
    9: "its standard output could not be streamed: check space and rights of logs/, then condor_release",
    10: "its standard input could not be streamed: check the run's folder, then condor_release",
    11: "sending its files failed in the middle; condor_release lets it try again",
    12: "its files could not be brought back: check space and quota of the run's folder, then condor_release",
    13: "its files could not be brought to the machine: check that the run's folder is complete, then condor_release",
    14: "its folder cannot be entered: with shared_filesystem = true the run's folder must be visible, and yours to "
    "write, on every machine",
    15: "it was submitted on hold (hold = true in a submit table); condor_release lets it start",
    16: "its input is still being sent; it goes on by itself",
    18: "sending its files failed in the middle; condor_release lets it try again",
    19: "the machine's hook that prepares jobs failed; ask the pool's administrator",
    21: "a policy of the machine (WANT_HOLD) stopped it; ask the pool's administrator what it limits. If it is memory: "
    "cancel, raise it with submit = { request_memory = … } in [jobs.<simulator>], submit again",
    22: "its event log could not be opened: check space and rights of the run's dag/ folder, then condor_release",
    23: "the machine could not use your account; ask the pool's administrator, then condor_release",
    24: "the access point has no shadow for it; ask its administrator",
    26: "a limit of the access point (SYSTEM_PERIODIC_HOLD) stopped it; ask its administrator what it limits",
    27: "a limit of the access point cannot be evaluated for it; ask its administrator",
    32: "what it is sent is larger than MAX_TRANSFER_INPUT_MB allows; ask the access point's administrator, or set "
    "max_transfer_input_mb in a submit table",
    33: "what it gives back is larger than MAX_TRANSFER_OUTPUT_MB allows: keep fewer spikes ([record] spikes), or set "
    "max_transfer_output_mb in a submit table",
    34: "it needs more memory (subcode 102) or disk (104) than it had, even after doubling: cancel, raise it with "
    "submit = { request_memory = … } in [jobs.<simulator>], submit again",
    35: "the image is not on the machine or cannot be pulled: check [jobs.<simulator>] image, then condor_release",
    36: "it failed when it was asked for a checkpoint; condor_release lets it try again",
    45: "the machine's container runtime fails a test; ask the pool's administrator, then condor_release",
    46: "it ran longer than it may (allowed_job_duration): cancel, lower minutes_per_job, submit again",
    47: "it ran longer than [jobs.htcondor] time_limit allows: condor_release lets it go on with the points that are "
    "left; or cancel, lower minutes_per_job or raise time_limit, submit again",
    48: "the access point's hook that prepares jobs failed; ask its administrator",
    49: "the machine could not take on your account's primary group; ask the pool's administrator, then condor_release",
}
# Codes of holds that say more about the machine than about the job, which is tried elsewhere
MACHINE_CODES = (6, 12, 13, 14, 19, 23, 35, 45, 49)
# Of these, files that were not sent: as often the network's or the access point's fault, no reason to avoid a machine
TRANSFER_CODES = (12, 13)


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

    @property
    def machine(self) -> str:
        """The machine that the reason names; empty if it names none."""
        found = _SLOT.match(self.reason)
        return found.group(1) if found else ""


def is_of_machine(hold: Hold) -> bool:
    """Say whether the machine is to blame, for all that the code tells."""
    return hold.code in MACHINE_CODES and hold.code not in TRANSFER_CODES


def explain(hold: Hold) -> str:
    """Say why a job is held and what can be done, in one line; the same on all slots of a machine."""
    reason = _SLOT.sub(r"on \1:", " ".join(hold.reason.split()).rstrip("."))
    remedy = _REMEDIES.get(hold.code, "see the code in the HTCondor manual; condor_release lets it try again")
    if hold.code == 3 and hold.subcode == 34:
        remedy = _REMEDIES[34]
    return f"held with code {hold.code}, subcode {hold.subcode}: {reason}. Remedy: {remedy}"

"""Which lines a sweep may add to the submit descriptions. Pure.

A sweep says what its jobs ask for, where and when they may run, and whom the pool charges. What is run, as whom, with
which environment, where its files go and which are sent is ours: the rows come back through it, and a sweep is data,
not code. HTCondor has more commands of that kind with every version, and knows each under several names; so those that
are free are listed, and any other is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Without underscores, as condor_submit takes them in either form; a job ad knows most by the same name
_FREE_WORDS = """
requirements rank priority prio jobprio niceuser concurrencylimits concurrencylimitsexpr
accountinggroup accountinggroupuser acctgroup acctgroupuser projectname wantflocking
periodichold periodicholdreason periodicholdsubcode periodicrelease periodicremove periodicvacate
onexithold onexitholdreason onexitholdsubcode onexitremove hold
notification jobnotification notifyuser emailattributes description jobdescription
jobleaseduration jobmaxvacatetime maxjobretirementtime keepclaimidle nextjobstartdelay
allowedexecuteduration allowedjobduration maxtransferinputmb maxtransferoutputmb
retryrequestmemory retryrequestmemoryincrease retryrequestmemorymax retryrequestdisk
requiregpus gpusminimummemory gpusminimumcapability gpusmaximumcapability gpusminimumruntime cudaversion
dockernetworktype dockerpullpolicy encryptexecutedirectory coresize stacksize imagesize
"""
_FREE = frozenset(_FREE_WORDS.split())
_REQUEST = re.compile(r"request[a-z]\w*")  # resources that a pool names itself among them
# What `_FREE` leaves of the attributes of a job ad that HTCondor itself writes or reads (its manual, "Job ClassAd
# Attributes", and src/condor_includes/condor_attributes.h), and those that make a pool run jobs in another image
_OWN = re.compile(
    r"(transfer|docker|container|singularity|apptainer|sandboximage|tooldaemon|java|jarfiles|x509|oauth|scitoken|authtoken"
    r"|token|sendcred|dag|ec2|gce|azure|aws|vm_|jobvm|arc(app|data|res|rte)|batch(extra|project|queue|runtime)|grid|cron"
    r"|deferral|(pre|post)(cmd|arg|env|exit|jobprio|script)|success|exit|num(ckpt|hold|input|job|output|pid|restart|shadow"
    r"|system|vacate)|last|total(job|submit|suspen|remote)|cumulative|committed|uncommitted|recent|remote|submi[ts]|spool"
    r"|stream|stage|staging|hold|release|vacate|requeue|remove|reason|shadow|starter|startd|schedd|claim|publicclaim"
    r"|machineattr|machinecount|userlog|stdout|stderr|encrypt|dontencrypt|fetchfiles|appendfiles|localfiles|compressfiles"
    r"|fileremap|failurefiles|publicinput|preserverel|output|buffer|checkpoint|cloudlabel|common(input)|catalog|manifest"
    r"|parallel|mpi|provision|orig|request(ed|id|result)|hook|noop|isnoop|ssh|delegate|transformbody|_condor|chirp|allremotehosts|autocluster|edited|effectiveflock"
    r"|enteredcurrent|erase|execut|interactive|materialize|matched|proportional|resident|sandbox|termination|useparrot"
    r"|want(adrevaluate|checkpoint|claiming|completion|container|delayed|docker|execution|ft|graceful|io|job|match|parallel"
    r"|pslot|remote|resad|sandbox|sif|transfer)"
    r"|job(ad|abort|action|batch|cooldown|coredump|corefile|current|disconnected|finished|id|iwd|keyword|lang"
    r"|last|lease|machineattrs|materialize|maxretries|pid|prepar|prioarray|queue|requires|run|set|start|stat|submit|success"
    r"|universe|vacate))\w*"
    r"|cmd|command|arg|args|arguments\w*|env|envdelim|environment\w*|in|out|err|insize|outsize|errsize|iwd\w*|owner|user"
    r"|osuser|uid|gid|realuid|ntdomain|uiddomain|filesystemdomain|primaryunixgroup|runasowner|load(user)?profile|oshomedir"
    r"|clusterid|procid|subprocid|globaljobid|qdate|completiondate|shell|shouldtransferfiles|whentotransfer\w*"
    r"|jobduration|transformonevict|killsig\w*|leavejobinqueue|otherjobremove\w*|skipifdataflow|skipmatchmaking|suspendjobatexec"
    r"|mountunderscratch|maxhosts|minhosts|currenthosts|mytype|targettype|linuxcapabilities|nonessential|toe|flavor"
    r"|avoided(machines|until)|sweepsimulator|dropjobadinsandbox|memoryusage|diskusage|cpususage|iowait|scratchdirfilecount|condorversion|condorplatform"
)
_WHICH = "lines say what jobs ask for, where and when they run and whom to charge (docs/htcondor.md names them)"
_ENVIRONMENT = "it decides what is loaded; set it in the image, or in a program that [jobs.htcondor] python names"
_REMEDIES: Mapping[str, str] = {
    "universe": "set [jobs.htcondor] universe",
    "executable": "set [jobs.htcondor] python",
    "dockerimage": "set [jobs.<simulator>] image",
    "containerimage": "set [jobs.<simulator>] image",
    "singularityimage": "set [jobs.<simulator>] image",
    "environment": _ENVIRONMENT,
    "env": _ENVIRONMENT,
    "getenv": _ENVIRONMENT,
    "maxretries": "set [jobs.htcondor] retries",
}


def refusals(submit: Mapping[str, Any]) -> dict[str, str]:
    """Return the rule that is broken for every line that may not be added.

    Parameters
    ----------
    submit : mapping of str to value
        ``submit`` of ``[jobs.htcondor]`` or of a simulator's table.

    Returns
    -------
    dict of str to str
        By key; empty if all is well.
    """
    return {key: rule for key, value in submit.items() if (rule := _rule(key, value))}


def not_one_line(text: str) -> str | None:
    """Return the rule that a value breaks which is not one line of its own, or None."""
    if any(ord(character) < 32 or character in "\x7f\x85\u2028\u2029" for character in text):
        return "must be one line"
    if text.rstrip().endswith("\\"):
        return "must not end with a backslash, which would join it with the next line"
    return None


def _rule(key: str, value: Any) -> str | None:
    attribute = re.fullmatch(r"(?:\+(?:my\.)?|my\.)([a-z_]\w*)", key, re.ASCII | re.IGNORECASE)
    if attribute is None and not re.fullmatch(r"[A-Za-z_]\w*", key, re.ASCII):
        return "must be a submit command: letters, digits and '_', or '+' and the name of an attribute"
    name = (attribute.group(1) if attribute else key).lower()
    plain = name.replace("_", "")
    if plain not in _FREE and (not _REQUEST.fullmatch(plain) or _OWN.fullmatch(plain)):
        if attribute is None:
            return f"cannot be set here: {_REMEDIES.get(plain, _WHICH)}"
        if _OWN.fullmatch(plain) or _OWN.fullmatch(name):
            return f"cannot be set here: {_REMEDIES.get(plain, 'an attribute of HTCondor itself')}"
    return not_one_line(str(value))

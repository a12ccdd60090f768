"""What a sweep may not say in the lines that it adds to the submit descriptions. Pure.

What is run and which files go where is ours: the rows come back through it, and a sweep is data, not code. Everything
else (``request_*``, ``requirements``, ``rank``, accounting, attributes with ``+``) is the user's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# HTCondor manual, "condor_submit"; with the names under which a job ad knows the same, which ``+`` would set
_RESERVED: Mapping[str, str] = {
    "universe": "set [jobs.htcondor] universe",
    "executable": "set [jobs.htcondor] python",
    "arguments": "the worker's",
    "initialdir": "the run's folder",
    "log": "DAGMan's",
    "input": "the worker has none",
    "output": "in logs/",
    "error": "in logs/",
    "docker_image": "set [jobs.<simulator>] image",
    "container_image": "set [jobs.<simulator>] image",
    "queue": "one job for each node",
}
_SYNONYMS: Mapping[str, str] = {
    "cmd": "executable",
    "args": "arguments",
    "arg": "arguments",
    "arguments1": "arguments",
    "arguments2": "arguments",
    "in": "input",
    "stdin": "input",
    "out": "output",
    "stdout": "output",
    "err": "error",
    "stderr": "error",
    "iwd": "initialdir",
    "initial_dir": "initialdir",
    "job_iwd": "initialdir",
    "userlog": "log",
    "dagmannodeslog": "log",
    "jobuniverse": "universe",
    "wantdocker": "universe",
    "wantcontainer": "universe",
    "dockerimage": "docker_image",
    "containerimage": "container_image",
}
# Files that go to and fro, programs that HTCondor runs beside the job, and words that are statements, not commands
_FAMILIES = re.compile(
    r"transfer_?(executable|input|output|checkpoint|plugins|container).*|(should|when_to)_?transfer_?(files|output).*"
    r"|whentotransfer.*|shouldtransfer.*|preserve_?relative_?paths?|public_input_files|encrypt_.*_files|output_destination"
    r"|spoolonevict|(pre|post)_?(cmd|command|arg|args|arguments|environment).*|hook_?keyword|jobpreparehook.*"
    r"|include|use|if|elif|else|endif|warning"
)


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


def _rule(key: str, value: Any) -> str | None:
    if not re.fullmatch(r"\+?[A-Za-z_][\w.]*", key, re.ASCII):
        return "must be a submit command: letters, digits, '_' and '.', or '+' and the name of an attribute"
    name = re.sub(r"^(\+|my\.)", "", key.lower())
    command = _SYNONYMS.get(name, name)
    if command in _RESERVED:
        return f"cannot be set here: {_RESERVED[command]}"
    if _FAMILIES.fullmatch(name):
        return "cannot be set here: which files are sent and what is run beside them is not the sweep's"
    text = str(value)
    if any(ord(character) < 32 or character in "\x7f\x85\u2028\u2029" for character in text):
        return "must be one line"
    if text.rstrip().endswith("\\"):
        return "must not end with a backslash, which would join it with the next line"
    return None

"""What HTCondor is told of a simulator's jobs: submit commands, and the values each job puts into them. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.executor import Placement
from jobs.plan import PlannedJob

# Holds for memory that are answered with twice the memory, before the job stays held.
MAX_DOUBLINGS = 3

_MEBIBYTE = 2**20
_MEMORY_MARGIN = 1.25  # on the estimate, which cannot know the allocator's habits
_MEMORY_FLOOR = 256  # MiB
_DISK_FLOOR = 256  # MiB: the code, the job file, the caches of Python packages
_OUT_OF_MEMORY = "(MY.NumHoldsByReason.JobOutOfResources ?: 0)"


@dataclass(frozen=True)
class Site:
    """What is the same for all jobs of a submit.

    Parameters
    ----------
    root : str
        The run's folder, absolute.
    archive : str
        The worker's code, relative to `root`.
    settings : mapping of str to value
        ``[jobs.htcondor]``.
    files : tuple of str
        Users' code and data that every job needs, relative to `root`.
    """

    root: str
    archive: str
    settings: Mapping[str, Any]
    files: tuple[str, ...] = ()


def worker_commands(simulator: str, placement: Placement, keeps_spikes: bool, site: Site) -> dict[str, str]:
    """Return the submit commands of a simulator's jobs.

    The scratch folder of a job is laid out like the run's folder, and ``preserve_relative_paths`` lets files go to and
    fro under the same names, so one command line serves with and without a shared file system. The summary goes in
    too: what an earlier attempt finished is not simulated again, and HTCondor, which holds a job that lacks an
    output file when it is evicted, always finds one.

    Parameters
    ----------
    simulator : str
        Its name.
    placement : Placement
        What its jobs need.
    keeps_spikes : bool
        Whether they write spikes.
    site : Site
        What is the same for all jobs.

    Returns
    -------
    dict of str to str
        With the macros ``job_name``, ``points``, ``cpus``, ``memory`` and ``disk`` (MiB) for `node_variables`.
    """
    settings = site.settings
    job, summary = "jobs/$(job_name).json", "summaries/$(job_name).parquet"
    arguments = [site.archive, job, "--summary", summary]
    outputs = [summary]
    if keeps_spikes:
        arguments += ["--spikes", "spikes/$(job_name)"]
        outputs.append("spikes/$(job_name)")
    commands = {**_universe(simulator, placement, settings)}
    commands |= {
        "executable": str(settings["python"]),
        "transfer_executable": "false",
        "arguments": quoted_arguments(arguments),
        "initialdir": site.root,
        "output": "logs/$(job_name).out",
        "error": "logs/$(job_name).err",
        "description": f"{simulator}, $(points) points",
        "request_cpus": "$(cpus)",
        # Grows with every hold for memory, not with every start: an eviction is no reason to ask for more
        "request_memory": f"$(memory) * pow(2, {_OUT_OF_MEMORY})",
        "request_disk": "$(disk)MB",
        "periodic_release": f"HoldReasonCode == 34 && {_OUT_OF_MEMORY} <= {MAX_DOUBLINGS}",
        "job_max_vacate_time": str(settings["vacate_seconds"]),
    }
    if settings["shared_filesystem"]:
        commands["should_transfer_files"] = "NO"
    else:
        commands |= {
            "should_transfer_files": "YES",
            # What a job that must leave has finished comes along to its next start
            "when_to_transfer_output": "ON_EXIT_OR_EVICT",
            "preserve_relative_paths": "true",
            "transfer_input_files": ", ".join([site.archive, job, summary, *site.files]),
            "transfer_output_files": ", ".join(outputs),
        }
    if placement.gpus:
        commands["request_gpus"] = str(placement.gpus)
    if settings["accounting_group"]:
        commands["accounting_group"] = str(settings["accounting_group"])
    return commands | {key: _plain(value) for key, value in {**settings["submit"], **placement.submit}.items()}


def collect_commands(command: Sequence[str], environment: Mapping[str, str], site: Site) -> dict[str, str]:
    """Return the submit commands of the last node, which runs on the access point.

    Parameters
    ----------
    command : sequence of str
        Program and arguments; the DAG's status and its number of failed nodes are added to them.
    environment : mapping of str to str
        Environment variables.
    site : Site
        What is the same for all jobs.
    """
    commands = {
        "universe": "local",
        "executable": command[0],
        "arguments": quoted_arguments([*command[1:], "$(DAG_STATUS)", "$(FAILED_COUNT)"]),
        "initialdir": site.root,
        "output": "logs/collect.out",
        "error": "logs/collect.err",
        "getenv": "HOME, PATH",
        "environment": quoted_arguments([f"{key}={value}" for key, value in environment.items()]),
        "description": "collect",
        # Without this a local job of a DAG leaves its output under another name
        "should_transfer_files": "NO",
    }
    if site.settings["accounting_group"]:
        commands["accounting_group"] = str(site.settings["accounting_group"])
    return commands


def node_variables(planned: PlannedJob) -> dict[str, str]:
    """Return what a job puts into its description's macros."""
    return {
        "job_name": planned.job.name,
        "points": str(len(planned.job.points)),
        "cpus": str(planned.cores),
        "memory": str(max(_MEMORY_FLOOR, math.ceil(planned.memory * _MEMORY_MARGIN / _MEBIBYTE))),
        "disk": str(_DISK_FLOOR + math.ceil(2 * planned.disk / _MEBIBYTE)),
    }


def quoted_arguments(arguments: Sequence[str]) -> str:
    """Quote arguments or ``name=value`` pairs in HTCondor's new syntax."""
    return '"' + " ".join(_quoted(argument) for argument in arguments) + '"'


def _quoted(argument: str) -> str:
    argument = argument.replace('"', '""')
    if argument and not any(character.isspace() or character == "'" for character in argument):
        return argument
    return "'" + argument.replace("'", "''") + "'"


def _universe(simulator: str, placement: Placement, settings: Mapping[str, Any]) -> dict[str, str]:
    universe = str(settings["universe"])
    image = placement.image or f"gridsearch-{simulator}:latest"
    if universe == "docker":
        return {"universe": universe, "docker_image": image}
    if universe == "container":
        # HTCondor takes a name without a scheme for a file, and the job never matches
        return {"universe": universe, "container_image": image if "/" in image else f"docker://{image}"}
    return {"universe": universe}


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

"""What HTCondor is told of a simulator's jobs: submit commands, and the values each job puts into them. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobs.executor import Placement
from jobs.htcondor_executor.descriptions.images import ExactImage, image_commands
from jobs.htcondor_executor.descriptions.policy import (
    avoid_commands,
    disk_request,
    elsewhere,
    memory_request,
    retry_commands,
)
from jobs.plan import PlannedJob

# A file in a folder that a job brings back, so that the folder is there from the start
PLACEHOLDER = ".started"

_MEBIBYTE = 2**20
_MEMORY_MARGIN = 1.25  # on the estimate, which cannot know the allocator's habits
_MEMORY_FLOOR = 256  # MiB
_DISK_FLOOR = 256  # MiB: the code, the job file, the caches of Python packages
_TIME_FLOOR = 600.0  # s, of a limit: the image may have to come first
_LOOKS = 20  # while a job waits for another machine
_MOST_OFTEN, _AT_LEAST = 1, 30  # s between two looks


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
    avoided : tuple of str
        Machines that have failed one job after the other.
    images : mapping of str to ExactImage
        By simulator.
    files : tuple of str
        Users' code and data that every job needs, relative to `root`.
    folder : str
        Of the DAG's files, relative to `root`.
    """

    root: str
    archive: str
    settings: Mapping[str, Any]
    avoided: tuple[str, ...] = ()
    images: Mapping[str, ExactImage] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    folder: str = ""


def worker_commands(simulator: str, placement: Placement, keeps_spikes: bool, site: Site) -> dict[str, str]:
    """Return the submit commands of a simulator's jobs.

    The scratch folder of a job is laid out like the run's folder, and ``preserve_relative_paths`` lets files go to and
    fro under the same names, so one command line serves with and without a shared file system. The rows of earlier
    attempts go in too: what they finished is not simulated again. HTCondor holds a job that lacks, when it is evicted,
    what it is to bring back; so that is folders, which files that are sent make there. The summary alone, instead of
    its folder, would have to be sent there too, and a transfer that breaks off removes it here: the next start would be
    held for it. It comes in the order in which it is listed: spikes before the rows that speak of them, the attempt's
    own rows before the summary.
    What comes back from an eviction goes to the run's folder, as from an end, not to the schedd's spool: it is there
    for `status`, and a job that is removed loses nothing.

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
        With the macros ``job_name``, ``points``, ``cpus``, ``memory``, ``disk`` (MiB), ``expected_seconds`` and
        ``allowed_seconds`` for `node_variables`.

    Raises
    ------
    DagError
        If there is no image that the universe runs.
    """
    settings = site.settings
    job, summary = "jobs/$(job_name).json", "summaries/$(job_name).parquet"
    arguments = [site.archive, job, "--summary", summary]
    inputs, outputs = [site.archive, job], []
    if simulator in site.images:
        arguments += ["--image", _literal(site.images[simulator].says)]
    if keeps_spikes:
        arguments += ["--spikes", "spikes/$(job_name)"]
        inputs.append(f"spikes/$(job_name)/{PLACEHOLDER}")
        outputs.append("spikes/$(job_name)")
    if not settings["shared_filesystem"]:
        arguments += ["--attempts", "attempts/$(job_name)"]
        inputs += ["attempts/$(job_name)", f"summaries/{PLACEHOLDER}"]
        outputs += ["attempts/$(job_name)", "summaries"]
    program = str(settings["python"])
    if settings["universe"] == "container" and "/" not in program:
        # Apptainer is told to look for a bare name in the job's folder, not on the image's PATH as Docker does
        program, arguments = "/usr/bin/env", [program, *arguments]
    image = image_commands(simulator, placement, settings, site.images.get(simulator))
    commands = {key: _literal(value) for key, value in image.items()}
    commands |= {
        "executable": _literal(program),
        "transfer_executable": "false",
        "arguments": quoted_arguments(arguments),
        "initialdir": _literal(site.root),
        "output": "logs/$(job_name).out",
        "error": "logs/$(job_name).err",
        "description": f"{simulator}, $(points) points",
        "request_cpus": "$(cpus)",
        "request_memory": memory_request("$(memory)"),
        "request_disk": disk_request("$(disk)"),
        **retry_commands(int(settings["retries"])),
        # Who must leave, or is removed, may first write what is finished, and that comes to the run's folder at once
        "want_graceful_removal": "true",
        "job_max_vacate_time": str(settings["vacate_seconds"]),
        "My.SpoolOnEvict": "false",
        **avoid_commands(simulator, site.avoided),
    }
    if settings["shared_filesystem"]:
        commands["should_transfer_files"] = "NO"
    else:
        commands |= {
            "should_transfer_files": "YES",
            "when_to_transfer_output": "ON_EXIT_OR_EVICT",
            "preserve_relative_paths": "true",
            "transfer_input_files": ", ".join([*inputs, *map(_literal, site.files)]),
            "transfer_output_files": ", ".join(outputs),
        }
    if placement.gpus:
        commands["request_gpus"] = str(placement.gpus)
    if settings["time_limit"]:
        commands["allowed_execute_duration"] = "$(allowed_seconds)"
    commands |= accounting_commands(settings)
    return _with_users(commands, elsewhere(int(settings["elsewhere_seconds"])), settings, placement)


def accounting_commands(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the submit commands that say whom the pool charges: of every job, the DAG's own among them."""
    keys = ("accounting_group", "accounting_group_user")
    return {key: _literal(str(settings[key])) for key in keys if settings[key]}


def _with_users(
    commands: Mapping[str, str], requirement: str, settings: Mapping[str, Any], placement: Placement
) -> dict[str, str]:
    """Add the user's lines; those of a simulator win, but what either requires must hold, and ours too."""
    wanted: list[str] = []
    lines: dict[str, str] = {}
    for table in (settings["submit"], placement.submit):
        for key, value in table.items():
            if key.lower() == "requirements":
                wanted.append(f"({_plain(value)})")
            else:
                lines[key] = _plain(value)
    return {**commands, **lines, "requirements": " && ".join([*wanted, requirement])}


def collect_commands(command: Sequence[str], environment: Mapping[str, str], site: Site) -> dict[str, str]:
    """Return the submit commands of the last node, which runs on the access point or where it finds a slot.

    Parameters
    ----------
    command : sequence of str
        Program and arguments; the DAG's status and its number of failed nodes are added to them.
    environment : mapping of str to str
        Environment variables.
    site : Site
        What is the same for all jobs.
    """
    universe = str(site.settings["collect"])
    commands = _our_commands(universe, "collect", [*map(_literal, command), "$(DAG_STATUS)", "$(FAILED_COUNT)"], site)
    commands |= {"getenv": "HOME, PATH"} | _environment(environment)
    if universe == "vanilla":
        commands["request_memory"] = "2048"
    return commands | accounting_commands(site.settings)


def watch_commands(command: Sequence[str], environment: Mapping[str, str], site: Site) -> dict[str, str]:
    """Return the submit commands of the node that watches the DAG at work, on the access point.

    Parameters
    ----------
    command : sequence of str
        Program and arguments; of which DAG, how often to look and what is known are added to them.
    environment : mapping of str to str
        Environment variables.
    site : Site
        What is the same for all jobs.
    """
    seconds = int(site.settings["elsewhere_seconds"])
    every = min(_AT_LEAST, max(_MOST_OFTEN, seconds // _LOOKS))
    added = [_literal(site.folder), "$(DAGManJobId)", str(every), str(seconds), *site.avoided]
    commands = _our_commands("local", "watch", [*map(_literal, command), *added], site)
    # It talks to the schedd, as the submit did
    commands |= {"getenv": "HOME, PATH, CONDOR_CONFIG, _CONDOR_*"} | _environment(environment)
    return commands | accounting_commands(site.settings)


def _our_commands(universe: str, name: str, command: Sequence[str], site: Site) -> dict[str, str]:
    """Return what the nodes have in common that run none of the sweep's jobs."""
    return {
        "universe": universe,
        "executable": command[0],
        "transfer_executable": "false",
        "arguments": quoted_arguments(command[1:]),
        "initialdir": _literal(site.root),
        "output": f"logs/{name}.out",
        "error": f"logs/{name}.err",
        "description": name,
        # Without this a local job of a DAG leaves its output under another name
        "should_transfer_files": "NO",
    }


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    pairs = [f"{key}={_literal(value)}" for key, value in variables.items()]
    return {"environment": quoted_arguments(pairs)} if pairs else {}


def node_variables(planned: PlannedJob, time_limit: float = 0.0) -> dict[str, str]:
    """Return what a job puts into its description's macros.

    Parameters
    ----------
    planned : PlannedJob
        The job.
    time_limit : float
        How many times its expected time it may take.
    """
    return {
        "expected_seconds": str(math.ceil(planned.seconds)),
        "allowed_seconds": str(math.ceil(max(planned.seconds * time_limit, _TIME_FLOOR))),
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


def _literal(text: str) -> str:
    """Return a text as a submit command has it: what looks like one of its macros is none."""
    return text.replace("$", "$(DOLLAR)")


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

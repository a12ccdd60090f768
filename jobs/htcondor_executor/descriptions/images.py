"""Which container image a simulator's jobs run in, by HTCondor's rules, and what exactly it is."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jobs.executor import Placement
from jobs.htcondor_executor.descriptions.dag import DagError
from simulators.backends.simulator import find_simulator

_SCHEME = re.compile(r"[a-z]+://")
_FILE = re.compile(r"(/|\./|\.\./|~)|.*\.(sif|sqfs|img)$")
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_PATIENCE = 10.0  # s, for the Docker of this machine


def image_of(simulator: str, placement: Placement) -> str:
    """Return the image as the sweep names it, or the one that this project builds.

    Raises
    ------
    DagError
        If the sweep names none and there is none of ours.
    """
    image = placement.image or find_simulator(simulator).IMAGE
    if image is None:
        raise DagError(f"[jobs.{simulator}] image is missing: name the container image that has {simulator}")
    return image


def image_commands(simulator: str, placement: Placement, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the submit commands that name universe and image.

    In the container universe HTCondor reads the kind of an image off its name: ``docker:…`` comes from a registry, what
    ends in ``.sif`` is a file and all else a folder; a name without a scheme would be looked for on disk, and the job
    never match. A file is left as it is. The Docker universe takes the name alone.

    Raises
    ------
    DagError
        If there is no image, or one of a kind that the universe does not run.
    """
    universe = str(settings["universe"])
    if universe == "vanilla":
        return {"universe": universe}
    image = image_of(simulator, placement)
    is_file = _FILE.match(image) is not None
    if universe == "docker":
        name = image.removeprefix("docker://")
        if is_file or _SCHEME.match(name):
            raise DagError(
                f"[jobs.{simulator}] image = {image!r}: the Docker universe runs images of registries; "
                'set universe = "container" in [jobs.htcondor] for this one'
            )
        return {"universe": universe, "docker_image": name}
    has_scheme = _SCHEME.match(image) is not None
    return {"universe": universe, "container_image": image if is_file or has_scheme else f"docker://{image}"}


def is_pinned(image: str) -> bool:
    """Say whether a name means the same image tomorrow: it is a file, or has a digest or a tag other than latest."""
    if _FILE.match(image) or _DIGEST.search(image):
        return True
    tag = image.rpartition("/")[2].partition(":")[2]
    return tag not in ("", "latest")


@cache
def exact_image(image: str) -> str:
    """Return the image with its digest, where this machine can know it: from its Docker, or from the file itself.

    A digest of a registry comes after ``@``; that of an image that was only built here, or of a file, after ``#``.
    """
    if _DIGEST.search(image):
        return image
    if _FILE.match(image):
        return _with_hash(image)
    name = image.removeprefix("docker://")
    if _SCHEME.match(name):
        return image
    asked = ["docker", "image", "inspect", "--format", "{{json .RepoDigests}} {{.Id}}", "--", name]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=_PATIENCE, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return image
    digest = re.search(r"@(sha256:[0-9a-f]{64})", said)
    built = re.search(r"(sha256:[0-9a-f]{64})\s*$", said)
    if digest:
        return f"{image}@{digest.group(1)}"
    return f"{image}#{built.group(1)}" if built else image


def _with_hash(image: str) -> str:
    try:
        path = Path(image).expanduser()
        if not path.is_file():  # on the machines of the pool, or a folder; or a pipe or a device, which has no end
            return image
        with path.open("rb") as file:
            return f"{image}#sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except (OSError, RuntimeError):  # which ~ of a user there is not raises
        return image

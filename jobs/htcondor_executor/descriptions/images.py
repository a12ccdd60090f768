"""Which container image a simulator's jobs run in, by HTCondor's rules, and what exactly it is."""

from __future__ import annotations

import contextlib
import hashlib
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jobs.executor import Placement
from jobs.htcondor_executor.descriptions.dag import DagError
from simulators.backends.simulator import find_simulator, image_for

_SCHEME = re.compile(r"[a-z]+://")
_FILE = re.compile(r"(/|\./|\.\./|~)|.*\.(sif|sqfs|img)$")
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_PATIENCE = 10.0  # s, for the Docker of this machine


@dataclass(frozen=True)
class ExactImage:
    """An image as exactly as this machine knows it.

    Parameters
    ----------
    runs : str
        What HTCondor is told to run.
    says : str
        What the rows say it was: with ``@`` and the digest of a registry, with ``#`` and the hash of a file; or that
        this is not known. Without white space: DAGMan has no way to hand that on among a job's arguments.
    """

    runs: str
    says: str


def image_of(simulator: str, placement: Placement) -> str:
    """Return the image as the sweep names it, or the one that the simulator has for such jobs.

    Raises
    ------
    DagError
        If the sweep names none and there is none of ours.
    """
    image = placement.image or image_for(find_simulator(simulator), placement.gpus)
    if image is None:
        raise DagError(f"[jobs.{simulator}] image is missing: name the container image that has {simulator}")
    return image


def image_commands(
    simulator: str, placement: Placement, settings: Mapping[str, Any], exact: ExactImage | None = None
) -> dict[str, str]:
    """Return the submit commands that name universe and image: as exactly as it is known, else as the sweep does.

    In the container universe HTCondor reads the kind of an image off its name: ``docker:…`` comes from a registry, what
    ends in ``.sif`` is a file and all else a folder; a name without a scheme would be looked for on disk, and the job
    never match. The Docker universe takes the name alone.

    Raises
    ------
    DagError
        If there is no image, or one of a kind that the universe does not run.
    """
    universe = str(settings["universe"])
    if universe == "vanilla":
        return {"universe": universe}
    image = image_of(simulator, placement) if exact is None else exact.runs
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
def exact_image(image: str, folder: str = "") -> ExactImage:
    """Find out what exactly an image is, as far as this machine can know it: from its Docker, or from the file itself.

    An image of a registry is run by its digest where the Docker here has it from that repository: a tag may be another
    image on another machine. A file is sent with the jobs, or is the same on every machine.

    Parameters
    ----------
    image : str
        As the sweep names it.
    folder : str
        Which the path of a file starts from, if it is relative.

    Raises
    ------
    DagError
        If a file is named by a relative path and is not there: HTCondor would look for it in the run's folder.
    """
    if _FILE.match(image):
        return _file(image, folder)
    if _DIGEST.search(image):
        return ExactImage(image, image)
    name = image.removeprefix("docker://")
    digest = None if _SCHEME.match(name) else _digest(name)
    if digest is None:
        return ExactImage(image, f"{image}#digest-not-known")
    return ExactImage(f"{image.removesuffix(name)}{_repository(name)}@{digest}", f"{image}@{digest}")


def _repository(name: str) -> str:
    """Return the name of an image without its tag."""
    path, slash, last = name.rpartition("/")
    return f"{path}{slash}{last.partition(':')[0]}"


def _digest(name: str) -> str | None:
    """Return the digest under which the Docker of this machine has an image from the repository that is named."""
    asked = ["docker", "image", "inspect", "--format", "{{range .RepoDigests}}{{println .}}{{end}}", "--", name]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=_PATIENCE, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    for line in said.split():
        repository, _, digest = line.partition("@")
        if _familiar(repository) == _familiar(_repository(name)) and _DIGEST.fullmatch(f"@{digest}"):
            return digest
    return None


def _familiar(repository: str) -> str:
    """Return the name by which Docker calls a repository of the Docker Hub."""
    return re.sub(r"^(index\.)?docker\.io/(library/)?|^library/", "", repository)


def _file(image: str, folder: str) -> ExactImage:
    try:
        given = Path(image).expanduser()
        path = Path(folder, given).absolute()
        is_missing = not given.is_absolute() and not path.exists()
    except (OSError, RuntimeError) as error:  # too long a name; ~ of a user there is not
        raise DagError(f"image = {image!r}: {error}") from error
    if is_missing:
        raise DagError(f"image = {image!r}: there is no {path}; the path of a file is relative to the sweep's folder")
    known = "content-not-known"  # of a folder, or of what is only on the machines of the pool
    with contextlib.suppress(OSError):
        if path.is_file():  # a device has no end
            with path.open("rb") as file:
                known = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    return ExactImage(str(path), f"{quote(str(path))}#{known}")

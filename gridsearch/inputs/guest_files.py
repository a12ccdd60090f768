"""Users' code and data of a sweep: what they are by content, and how they come into the run's folder.

Code is copied to ``guests/<hash>/``, where every job finds it and a reader later. Data are linked from
``data/<hash>/``: read in place where the folder can be seen, sent with the job where it cannot.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from simulators import models
from simulators.description import Network
from simulators.guests.content import data_digest, files_digest, guest_digest
from simulators.guests.installed import is_pure, package_folder
from simulators.guests.loading import GuestError, explained
from simulators.guests.neighbours import closure
from simulators.neurons import find_neuron_model, neuron_model_digest, neuron_model_names
from simulators.records.run_directory import RunDirectory
from simulators.statistics import Statistic, Window, references, with_always


@dataclass(frozen=True)
class GuestFiles:
    """The model, statistics and data that a sweep refers to.

    Parameters
    ----------
    folder : Path
        The sweep's folder, which files are relative to.
    model : str
        As it stands in the sweep.
    statistics : tuple of str
        As they stand in the sweep. Those that cost next to nothing are computed, too.
    data : mapping of str to Path
        Absolute paths by name.
    """

    folder: Path
    model: str
    statistics: tuple[str, ...]
    data: Mapping[str, Path] = field(default_factory=dict)

    @cached_property
    def make_network(self) -> models.Model:
        """The function that makes the network from its parameters."""
        return models.find_model(self.model, self.folder, self.data)

    @cached_property
    def found_statistics(self) -> list[Statistic]:
        """The statistics themselves."""
        return references.find_statistics(self.statistics, self.folder)

    @cached_property
    def computed(self) -> tuple[str, ...]:
        """All statistics that are computed, as the sweep would name them."""
        return tuple(str(one) for one in with_always(self.statistics))

    @cached_property
    def found_computed(self) -> list[Statistic]:
        """Those statistics themselves, in the same order."""
        return references.find_statistics(self.computed, self.folder)

    def fingerprint(
        self, statistics: Sequence[str], settings: Mapping[str, float], windows: Mapping[str, Window]
    ) -> dict[str, str]:
        """Say what some statistics are now (see `simulators.statistics.references.fingerprint_of`)."""
        return references.fingerprint_of(statistics, self.folder, settings, windows)

    @cached_property
    def data_content(self) -> dict[str, str]:
        """Hash of each of the data; they are read once."""
        return {name: data_digest(path) for name, path in self.data.items()}

    def content(self, networks: Iterable[Network]) -> dict[str, str]:
        """Hash all that makes a point's network, by what it is.

        Parameters
        ----------
        networks : iterable of Network
            Networks of the sweep, one of each structure at least: their neuron models count.

        Returns
        -------
        dict of str to str
            ``model``, ``neuron.<name>`` for each of ours that is used, ``data.<name>``.
        """
        ours = {name: find_neuron_model(name) for name in neuron_model_names()}
        used = {population.model.name for network in networks for population in network.populations}
        return {
            "model": models.model_digest(self.model, self.folder),
            **{f"neuron.{name}": neuron_model_digest(name) for name in sorted(used & ours.keys())},
            **{f"data.{name}": digest for name, digest in self.data_content.items()},
        }

    def named(self, kind: str) -> str:
        """Return what a key of `content` is to the user: a file's name, say."""
        what, _, name = kind.partition(".")
        if what == "data":
            return self.data[name].name if name in self.data else name
        if what == "neuron":
            return f"{name}.py"
        return models.model_file(self.model, self.folder).name

    @cached_property
    def loaded(self) -> tuple[Path, ...]:
        """Users' Python files that a plan runs, those of installed packages too.

        Raises
        ------
        GuestError
            If one of them cannot be read: a neighbour, say, that is imported only later.
        """
        try:
            copies = self._copies
        except (OSError, SyntaxError, ValueError) as error:
            raise GuestError(explained(error, self.folder / self.model)) from error
        except RecursionError as error:
            raise GuestError(
                f"{self.model}: its expressions, or those it imports, are too deep to be hashed"
            ) from error
        return tuple(dict.fromkeys(file for copy in copies.values() for file in copy.files))

    @property
    def job_model(self) -> str:
        """The model as a job refers to it."""
        if models.is_file(self.model):
            return f"{_target(self.folder / self.model)}/{Path(self.model).name}"
        return models.importable(self.model)

    @property
    def job_statistics(self) -> tuple[str, ...]:
        """The statistics as a job refers to them."""
        return tuple(
            f"{_target(self.folder / references.file_of(one))}/{one.rpartition('/')[2]}"
            if references.is_file(one)
            else references.importable(one)
            for one in self.computed
        )

    @property
    def job_data(self) -> dict[str, str]:
        """The data as a job refers to them, relative to the run's folder."""
        return {name: f"data/{digest}/{_plain(self.data[name].name)}" for name, digest in self.data_content.items()}

    @property
    def job_python_path(self) -> tuple[str, ...]:
        """Folders of the run that hold installed packages which travel with jobs."""
        return tuple(target for target, copy in self._copies.items() if copy.package)

    @property
    def must_be_in_image(self) -> tuple[str, ...]:
        """Installed packages that cannot travel because they are not Python alone."""
        folders = {package_folder(one).name: package_folder(one) for one in self._installed}
        return tuple(name for name, folder in folders.items() if not is_pure(folder))

    def write(self, run: RunDirectory) -> None:
        """Copy the code and link the data into a run's folder, unless they are there."""
        for target, copy in self._copies.items():
            folder = run.root / target
            if not folder.exists():
                _copy(copy, folder)
        for name, place in self.job_data.items():
            link = run.root / place
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink() or link.readlink() != self.data[name]:
                link.unlink(missing_ok=True)
                link.symlink_to(self.data[name])

    @property
    def _installed(self) -> tuple[str, ...]:
        named = [self.job_model, *self.job_statistics]
        return tuple(one for one in named if "/" not in one and ("." in one or ":" in one))

    @cached_property
    def _copies(self) -> dict[str, _Copy]:
        """What is copied, by folder relative to the run's."""
        files = [self.model] if models.is_file(self.model) else []
        files += [references.file_of(one) for one in self.statistics if references.is_file(one)]
        copies = {}
        for file in dict.fromkeys(files):
            path = (self.folder / file).resolve()
            copies[_target(path)] = _Copy(path.parent, closure(path))
        for reference in self._installed:
            folder = package_folder(reference)
            if is_pure(folder):
                found = tuple(sorted(folder.rglob("*.py"))) if folder.is_dir() else (folder,)
                copies[f"guests/{files_digest(folder.parent, found)}"] = _Copy(folder.parent, found, package=True)
        return copies


def _plain(name: str) -> str:
    """Return the name of a file without what separates names, or is a macro, in lists of files that are sent."""
    return re.sub(r"[^\w .+=@-]", "_", name).strip(" ") or "_"


@dataclass(frozen=True)
class _Copy:
    root: Path
    files: tuple[Path, ...]
    package: bool = False


def _target(path: Path) -> str:
    """Folder of a user's file and its neighbours, relative to the run's: by what they do and what they are called."""
    return f"guests/{guest_digest(path)}"


def _copy(copy: _Copy, folder: Path) -> None:
    """Copy files to a folder that appears whole or not at all."""
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}.tmp")
    temporary.mkdir(parents=True)  # nobody's but ours
    try:
        for file in copy.files:
            place = temporary / file.relative_to(copy.root)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
        temporary.rename(folder)
    except OSError:
        if not folder.exists():  # another submit may have been quicker
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)

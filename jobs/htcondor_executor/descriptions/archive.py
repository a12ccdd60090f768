"""The worker's code as one file that travels with the jobs: a zip that Python runs."""

from __future__ import annotations

import inspect
import zipfile
from pathlib import Path

import simulators
from simulators import working_directory
from simulators.records import machine
from simulators.records.atomic_file import replacing

# It comes after the source of `simulators.working_directory`. The environment is passed on: the worker's process finds
# the unpacked code on the PYTHONPATH.
_MAIN = """

keep_it_off_the_path()

import tempfile
import zipfile

with tempfile.TemporaryDirectory(prefix="gridsearch-") as folder:
    with zipfile.ZipFile(sys.path[0]) as archive:
        archive.extractall(folder)
    sys.path[0] = folder
    path = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = folder + os.pathsep + path if path else folder
    from simulators.worker.supervisor import main

    code = main(sys.argv[1:])
sys.exit(code)
"""
_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can hold: the same code makes the same file


def worker_archive(folder: Path) -> Path:
    """Return the path of the archive in a folder.

    Its name carries `simulators.records.machine.code_hash`, which is also in every row and in the provenance.
    """
    return folder / f"simulators-{machine.code_hash()}.zip"


def write_worker_archive(folder: Path) -> Path:
    """Write the archive of the package `simulators`, unless it is there.

    Parameters
    ----------
    folder : Path
        Where to.

    Returns
    -------
    Path
        The archive: ``python3 ARCHIVE job.json --summary …`` runs `simulators.worker.supervisor` with these arguments.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    archive = worker_archive(folder)
    if archive.exists():
        return archive
    root = Path(simulators.__path__[0])
    with replacing(archive) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as content:
        content.writestr(zipfile.ZipInfo("__main__.py", _DATE), inspect.getsource(working_directory) + _MAIN)
        for path in sorted(root.rglob("*.py")):
            name = f"{root.name}/{path.relative_to(root).as_posix()}"
            content.writestr(zipfile.ZipInfo(name, _DATE), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return archive

"""Which files a Python file stands on: those of its own folder that it imports, and what those import."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from pathlib import Path

OURS = "simulators"
"""The package that a guest imports its tools from; no file of its own can stand for it."""


def is_neighbour(folder: Path, name: str) -> bool:
    """Whether a module or package of that name lies in a folder."""
    if name == OURS or not name.isidentifier():
        return False
    return (folder / f"{name}.py").is_file() or (folder / name / "__init__.py").is_file()


def closure(path: Path, package: str = "", without: Collection[str] = ()) -> tuple[Path, ...]:
    """Return a file and all files of its folder that it needs, itself first, the others by name.

    Parameters
    ----------
    path : Path
        A Python file.
    package : str
        Full name of the package that its folder is, where it is one; else its neighbours are imported by plain names.

    without : collection of str
        Names of modules of the folder that do not count.

    Returns
    -------
    tuple of Path

    Raises
    ------
    OSError, SyntaxError
        If one of them cannot be read or is not Python.
    """
    folder = path.parent
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        file = waiting.pop()
        found.add(file)
        try:
            tree = ast.parse(file.read_bytes(), str(file))
        except SyntaxError as error:
            error.filename, error.lineno = str(file), error.lineno or 1  # which an error of bytes may not say
            raise
        for parts in _imported(tree, file, folder, package):
            if parts and parts[0] in without:
                continue
            waiting += [one for one in _files_of(folder, parts) if one not in found and one not in waiting]
    return path, *sorted(found - {path})


def _imported(tree: ast.Module, file: Path, folder: Path, package: str) -> Iterator[list[str]]:
    """Names below the folder that a file imports, as parts; some may be no modules but what modules hold."""
    own = list(file.relative_to(folder).parts[:-1])
    prefix = package.split(".") if package else []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module.split(".") if node.module else []
            if node.level:
                base = [*prefix, *own[: len(own) - node.level + 1], *base]
            names = [[*base, alias.name] for alias in node.names]
        else:
            continue
        for parts in names:
            if parts[: len(prefix)] == prefix:
                yield parts[len(prefix) :]


def _files_of(folder: Path, parts: list[str]) -> Iterator[Path]:
    """Files that importing a name runs: every package on the way, and the module."""
    if not parts or not is_neighbour(folder, parts[0]):
        return
    here = folder
    for part in parts:
        module, below = here / f"{part}.py", here / part / "__init__.py"
        if below.is_file():
            yield below
            here = below.parent
        else:
            if module.is_file():
                yield module
            return

"""What code and data are by their content: equal hashes for what makes equal results."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from simulators.guests.neighbours import closure

_LENGTH = 16


def code_digest(path: Path, package: str = "", without: Collection[str] = ()) -> str:
    """Hash a file with all that it imports from its own folder, as Python reads them.

    Comments, docstrings, blank lines and the name of the file itself do not count, nor does the version of Python.

    Parameters
    ----------
    path : Path
        A Python file.
    package, without
        See `simulators.guests.neighbours.closure`.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    content = hashlib.sha256()
    first, *others = closure(path, package, without)
    for name, file in (("", first), *((one.relative_to(path.parent).as_posix(), one) for one in others)):
        tree = ast.parse(file.read_bytes(), str(file))  # of any encoding that the file names, as Python reads it
        content.update(f"{name}\0".encode())
        for text in _told(_without_docstrings(tree)):
            content.update(text.encode())
    return content.hexdigest()[:_LENGTH]


def data_digest(path: Path) -> str:
    """Hash a file, or every file of a folder with its name, by content.

    Returns
    -------
    str
        16 hexadecimal digits.

    Raises
    ------
    OSError
        If something cannot be read.
    """
    if not path.is_dir():
        return _file_digest(path)[:_LENGTH]
    return files_digest(path, (one for one in path.rglob("*") if one.is_file()))


def files_digest(root: Path, files: Iterable[Path]) -> str:
    """Hash files by content, with their places below a folder; 16 hexadecimal digits."""
    content = hashlib.sha256()
    for file in sorted(files):
        content.update(f"{file.relative_to(root).as_posix()}\0{_file_digest(file)}\0".encode())
    return content.hexdigest()[:_LENGTH]


def guest_digest(path: Path) -> str:
    """Hash a user's Python file and its neighbours by what they do and what the file is called; 16 digits."""
    return hashlib.sha256(f"{path.name}\0{code_digest(path)}".encode()).hexdigest()[:_LENGTH]


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            node.body = [one for one in node.body if not _is_text(one)]
    return tree


def _is_text(statement: ast.stmt) -> bool:
    """Whether a statement is a string and nothing else: it documents, and does nothing."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _told(node: object) -> Iterator[str]:
    """Tell a syntax tree as text; what is empty is left out, as it differs between versions of Python."""
    if isinstance(node, ast.AST):
        yield f"({type(node).__name__}"
        for name in node._fields:
            value = getattr(node, name, None)
            if value is None and not isinstance(node, ast.Constant):
                continue
            if value == [] or isinstance(value, ast.expr_context):
                continue
            yield f" {name}="
            yield from _told(value)
        yield ")"
    elif isinstance(node, list):
        yield "["
        for one in node:
            yield from _told(one)
            yield ","
        yield "]"
    else:
        yield repr(node)

"""Caches of compiled code: nothing of others is loaded, nothing of the user's is removed."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from simulators.backends.genn_simulator.host import cache as genn
from simulators.backends.native_simulator import program_cache as native
from simulators.records import code_cache
from simulators.records import user_cache as user_caches
from simulators.records.user_cache import NotOwnError, make_own, user_cache

SOMEBODY = 12345
STALE = time.time() - 1e5

KEY = "0123456789abcdef01234567"
SOURCE = "x = 1\n"

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")


def use_genn(folder: Path) -> Path:
    def compile_into(private: Path) -> None:
        (private / "code").mkdir()
        (private / "code" / "librunner.so").write_bytes(b"")

    return genn.compiled(folder, KEY, compile_into)


def use_native(folder: Path) -> Path:
    """As a process that has not loaded it yet."""
    module = native.load_program(folder, SOURCE, "v")
    del sys.modules[module.__name__]
    assert module.x == 1
    home = Path(str(module.__file__)).parent
    (home / "__pycache__").mkdir(exist_ok=True)
    (home / "__pycache__" / "program.nbc").write_bytes(b"")  # as Numba does
    return home


USES = pytest.mark.parametrize(("kind", "use"), [("genn", use_genn), ("native", use_native)])
Use = Callable[[Path], Path]


def make_old(path: Path) -> None:
    os.utime(path, (STALE, STALE))


def fill(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Make a home with what people have in it, for which a cache is pruned as soon as anything is in it."""
    monkeypatch.setattr(genn, "MAX_MODELS", 0)
    monkeypatch.setattr(native, "MAX_PROGRAMS", 0)
    mine = [home / ".ssh" / "key", home / ".git" / "HEAD", home / "thesis" / "text", home / KEY[::-1] / "file"]
    for file in mine:
        file.parent.mkdir(parents=True)
        file.write_text("precious")
        make_old(file.parent)
    return mine


@USES
def test_a_folder_that_holds_anything_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, use: Use
) -> None:
    home = tmp_path / "home"
    mine = fill(home, monkeypatch)
    home.chmod(0o750)
    entry = use(home)
    assert entry.parent == home / f"gridsearch-{kind}", "a folder of its own"
    make_old(entry)
    assert use(home) == entry
    assert all(file.read_text() == "precious" for file in mine)
    assert home.stat().st_mode & 0o777 == 0o750
    (home / f"gridsearch-{kind}" / f".gridsearch-{kind}").unlink()
    with pytest.raises(NotOwnError, match=r"holds what is not of the cache: name another folder"):
        use(home)


@USES
def test_only_what_was_made_for_the_cache_is_pruned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, use: Use
) -> None:
    folder = tmp_path / "cache"
    use(folder)
    mine = fill(folder, monkeypatch)[:3]
    old = folder / KEY[::-1]
    left = folder / f".{KEY}-abcdef_9"
    left.mkdir()
    make_old(left)
    link = folder / ("f" * 24)
    link.symlink_to(mine[0].parent)
    code_cache.prune(folder, kind, 0)
    assert not old.exists() and not left.exists()
    assert link.is_symlink() and all(file.read_text() == "precious" for file in mine)
    old.mkdir()
    make_old(old)
    (folder / f".gridsearch-{kind}").unlink()
    code_cache.prune(folder, kind, 0)
    assert old.exists(), "without its marker a folder is nobody's to prune"


@USES
def test_a_cache_is_made_for_its_owner_alone(tmp_path: Path, kind: str, use: Use) -> None:
    before = os.umask(0)  # anybody may write what is made, if one lets them
    try:
        entry = use(tmp_path / "some" / "cache")
        assert use(tmp_path / "some" / "cache") == entry == tmp_path / "some" / "cache" / entry.name
    finally:
        os.umask(before)
    for path in (entry, entry.parent, entry.parent / f".gridsearch-{kind}", entry.parent.parent):
        assert not path.stat().st_mode & 0o022, path


@USES
@only_root
def test_code_of_others_is_not_loaded(tmp_path: Path, kind: str, use: Use) -> None:
    folder = tmp_path / "some" / "cache"
    entry = use(folder)
    file = next(path for path in entry.rglob("*") if path.suffix in (".so", ".nbc"))
    marker = folder / f".gridsearch-{kind}"
    for path in (folder.parent, folder, entry, file.parent, file):
        os.chown(path, SOMEBODY, -1)
        with pytest.raises(NotOwnError, match=r"belongs to another user \(id 12345\).*\[jobs\.<simulator>\] cache"):
            use(folder)
        assert path.stat().st_uid == SOMEBODY
        os.chown(path, 0, -1)
        mode = path.stat().st_mode & 0o777
        for way in (0o775, 0o777):
            path.chmod(way)
            closed = kind == "native" and path in (file, file.parent)  # in a folder that nobody else gets into
            if not closed:
                with pytest.raises(NotOwnError, match=r"is open to others"):
                    use(folder)
            assert path.stat().st_mode & 0o777 == way, "told, not mended in silence"
        path.chmod(mode)
        if path == marker.parent:
            continue
        moved = path.rename(tmp_path / "moved")
        path.symlink_to(moved)
        if path == folder.parent:
            os.lchown(path, SOMEBODY, -1)
        with pytest.raises(NotOwnError, match="is a symbolic link" if path != folder.parent else "another user"):
            use(folder)
        path.unlink()
        moved.rename(path)
    assert use(folder) == entry


@USES
@only_root
def test_a_program_planted_under_a_key_that_can_be_computed(tmp_path: Path, kind: str, use: Use) -> None:
    entry = use(tmp_path / "first")
    planted = tmp_path / "cache" / entry.name
    planted.mkdir(parents=True)
    (planted / "program.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    for path in (planted, planted / "program.py"):
        os.chown(path, SOMEBODY, -1)
    code_cache.claimed(tmp_path / "free", kind)
    (tmp_path / "free" / f".gridsearch-{kind}").rename(tmp_path / "cache" / f".gridsearch-{kind}")
    with pytest.raises(NotOwnError, match="belongs to another user"):
        use(tmp_path / "cache")
    assert not (tmp_path / "ran").exists()


@USES
@only_root
def test_a_folder_laid_in_tmp_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, use: Use
) -> None:
    """Without a home that can be written to, a cache lies below ``/tmp``, where anybody can be first."""
    base, mine = tmp_path / "tmp", tmp_path / "scratch"
    base.mkdir()
    base.chmod(0o1777)
    (mine / ".git").mkdir(parents=True)
    make_old(mine / ".git")
    monkeypatch.setattr(tempfile, "tempdir", str(base))
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    folder = user_cache(kind)
    assert folder == base / f"cache-{os.getuid()}" / "gridsearch" / kind
    folder.parent.mkdir(parents=True)
    folder.symlink_to(mine)
    for path in (folder.parent.parent, folder.parent):
        os.chown(path, SOMEBODY, -1)
    with pytest.raises(NotOwnError, match=f"cache-{os.getuid()} belongs to another user"):
        use(folder)
    assert [path.name for path in mine.iterdir()] == [".git"]
    os.chown(folder.parent.parent, 0, -1)
    with pytest.raises(NotOwnError, match="gridsearch belongs to another user"):
        use(folder)
    os.chown(folder.parent, 0, -1)
    with pytest.raises(NotOwnError, match=f"{kind} is a symbolic link"):
        use(folder)
    folder.unlink()
    assert use(folder).parent == folder


@USES
def test_a_folder_for_everybody_gets_one_within(tmp_path: Path, kind: str, use: Use) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    assert use(shared).parent == shared / f"gridsearch-{kind}"
    assert shared.stat().st_mode & 0o7777 == 0o1777


@only_root
def test_links_of_ones_own_on_the_way_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Homes are short of space: ``~/.cache`` is a link to another disk, often."""
    disk = tmp_path / "disk"
    disk.mkdir()
    (tmp_path / "link").symlink_to("../" + tmp_path.name + "/disk")
    make_own(tmp_path / "link" / "cache")
    assert (disk / "cache").is_dir()
    os.chown(disk, SOMEBODY, -1)
    with pytest.raises(NotOwnError, match="disk belongs to another user"):
        make_own(tmp_path / "link" / "cache")
    # whoever rules over what is above the home, or the folder for temporary files of a pool's job, rules over us
    home = disk / "me"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    make_own(home / "cache")
    home.chmod(0o777)
    with pytest.raises(NotOwnError, match="me is open to others"):
        make_own(home / "cache")
    home.chmod(0o700)
    monkeypatch.setenv("HOME", "/nowhere")
    with pytest.raises(NotOwnError, match="disk belongs to another user"):
        make_own(home / "cache")
    monkeypatch.setattr(tempfile, "tempdir", str(home))
    make_own(home / "cache")


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(OSError, match="Too many levels"):
        make_own(tmp_path / "a" / "cache")


@pytest.mark.parametrize(
    ("uid", "group", "members", "private"),
    [
        (1000, ("me", 1000), [], True),
        (1000, ("me", 1000), ["me"], True),
        (1000, ("me", 1000), ["me", "you"], False),
        (1000, ("users", 1000), [], False),
        (1000, ("me", 1001), [], False),
        (0, ("me", 1000), [], False),
    ],
)
def test_a_group_of_ones_own_is_nobody_else(
    monkeypatch: pytest.MonkeyPatch, uid: int, group: tuple[str, int], members: list[str], private: bool
) -> None:
    """Where every user has a group, files are often open to it (umask 002)."""
    name, number = group
    monkeypatch.setattr(user_caches.pwd, "getpwuid", lambda _: SimpleNamespace(pw_uid=uid, pw_gid=1000, pw_name="me"))
    monkeypatch.setattr(user_caches.grp, "getgrgid", lambda _: SimpleNamespace(gr_name=name, gr_mem=members))
    user_caches._is_private.cache_clear()
    found = os.stat_result((stat.S_IFDIR | 0o775, 0, 0, 1, uid, number, 0, 0, 0, 0))
    assert user_caches._is_open(found) is not private
    user_caches._is_private.cache_clear()

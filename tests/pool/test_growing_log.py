"""Event logs are read on from where they ended."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("htcondor2")

from jobs.htcondor_executor.logs.event_log import Fold
from jobs.htcondor_executor.logs.growing_log import GrowingLog
from jobs.htcondor_executor.schedd import read_events


def submitted(cluster: int, node: str) -> str:
    return (
        f"000 ({cluster:03d}.000.000) 2024-01-01 12:00:00 Job submitted from host: <127.0.0.1:9618>\n"
        f"    DAG Node: {node}\n...\n"
    )


def started(cluster: int) -> str:
    return (
        f"001 ({cluster:03d}.000.000) 2024-01-01 12:00:10 Job executing on host: <127.0.0.1:9618>\n"
        "\tSlotName: slot1@m1\n...\n"
    )


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def test_only_what_was_added_is_read(tmp_path: Path) -> None:
    path = tmp_path / "events.log"
    log = GrowingLog(path)
    assert log.read() == ({}, {})
    append(path, submitted(1, "a-1") + submitted(2, "a-2"))
    first, _ = log.read()
    assert {name: state.phase for name, state in first.items()} == {"a-1": "idle", "a-2": "idle"}
    assert log.n_read == 2
    assert log.read() == (first, {}) and log.n_read == 2, "nothing new, nothing read"
    event = started(1)
    append(path, event[:40])
    assert log.read()[0] == first, "half an event is none"
    append(path, event[40:])
    states, machines = log.read()
    assert (states["a-1"].phase, states["a-1"].machines) == ("running", ("m1",))
    assert log.n_read == 3
    whole = Fold()
    whole.add(read_events(path))
    assert (states, machines) == (whole.states, whole.machines)
    assert first["a-1"].phase == "idle", "what was said before does not change"


def test_another_file_in_its_place_is_read_from_its_begin(tmp_path: Path) -> None:
    path = tmp_path / "events.log"
    append(path, submitted(1, "a-1") + started(1))
    log = GrowingLog(path)
    log.read()
    path.unlink()
    append(path, submitted(7, "b-1"))
    assert set(log.read()[0]) == {"b-1"}
    path.write_text("")
    assert log.read() == ({}, {})

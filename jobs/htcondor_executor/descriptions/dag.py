"""The text of a DAG for HTCondor's DAGMan. Pure: from data to text, whatever the data mean.

HTCondor's own ``htcondor2.dags`` writes a throttle as ``CATEGORY name n``, where DAGMan wants ``MAXJOBS name n``, and
never writes the FINAL node's submit file; hence this module. The syntax is that of the HTCondor manual, "DAGMan
Workflows".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_DEFER = 30  # s between two looks whether a gate opens
_CHILDREN = 100  # names in a line
_RESERVED = {"parent", "child", "all_nodes"}  # words of the language, in any case


class DagError(ValueError):
    """Something that cannot be written into a DAG file."""


@dataclass(frozen=True)
class Node:
    """A node: one submit of one process.

    Parameters
    ----------
    name : str
        Unique in the DAG.
    description : str
        Name of its submit description.
    variables : mapping of str to str
        Values of the description's ``$(name)`` macros.
    category : str, optional
        Throttle it counts against.
    """

    name: str
    description: str
    variables: Mapping[str, str] = field(default_factory=dict)
    category: str | None = None


@dataclass(frozen=True)
class Gate:
    """A node that runs nothing and ends when something has happened on the access point.

    Parameters
    ----------
    name : str
        Unique in the DAG.
    description : str
        Name of a submit description, which DAGMan wants and does not use.
    script : str
        Command that DAGMan runs, in the folder of its own job, until its exit code is not 1: at 0 and 2 the gate opens.
    """

    name: str
    description: str
    script: str


@dataclass(frozen=True)
class Dag:
    """Independent nodes, one beside them and one after them, whatever becomes of them; some may wait behind gates.

    A node is submitted once, and none ends another's: what follows when a job fails is the business of the schedd,
    which knows where and why it did (see `jobs.htcondor_executor.descriptions.policy`).

    Parameters
    ----------
    descriptions : mapping of str to mapping
        Submit commands by description, of all kinds of nodes alike.
    nodes : sequence of Node
        Run in any order.
    final : Node, optional
        Runs last.
    service : Node, optional
        Runs beside the others, if it can: DAGMan submits it before them, does not mind how it fares, and removes it
        when they have ended.
    throttles : mapping of str to int
        How many nodes of a category may be in the queue at a time.
    gates : sequence of Gate
        One behind the other.
    gated : collection of str
        Nodes behind the last of them.
    """

    descriptions: Mapping[str, Mapping[str, str]]
    nodes: Sequence[Node]
    final: Node | None = None
    throttles: Mapping[str, int] = field(default_factory=dict)
    gates: Sequence[Gate] = ()
    gated: Collection[str] = ()
    service: Node | None = None


def dag_text(dag: Dag) -> str:
    """Write a DAG file.

    Raises
    ------
    DagError
        If a name is not letters, digits, ``-`` and ``_`` or is taken; if a value is not one line; if a node
        names a description or a category that is not there.
    """
    _check(dag)
    lines: list[str] = []
    for name, commands in dag.descriptions.items():
        lines += [f"SUBMIT-DESCRIPTION {name} {{"]
        lines += [f"    {key} = {value}" for key, value in commands.items()]
        lines += ["}", ""]
    for node in dag.nodes:
        lines += _node_lines("JOB", node)
        if node.category is not None:
            lines.append(f"CATEGORY {node.name} {node.category}")
    lines += [f"MAXJOBS {category} {count}" for category, count in dag.throttles.items()]
    lines += _gate_lines(dag)
    if dag.service is not None:
        lines += _node_lines("SERVICE", dag.service)
    if dag.final is not None:
        lines += _node_lines("FINAL", dag.final)
    return "\n".join(lines) + "\n"


def _gate_lines(dag: Dag) -> list[str]:
    lines: list[str] = []
    for gate in dag.gates:
        lines += [
            f"JOB {gate.name} {gate.description} NOOP",
            f"SCRIPT DEFER 1 {_DEFER} PRE {gate.name} {gate.script}",
            f"PRE_SKIP {gate.name} 2",
        ]
    lines += [f"PARENT {one.name} CHILD {next_.name}" for one, next_ in pairwise(dag.gates)]
    if dag.gates:
        behind = sorted(dag.gated)
        parts = [behind[i : i + _CHILDREN] for i in range(0, len(behind), _CHILDREN)]
        lines += [f"PARENT {dag.gates[-1].name} CHILD {' '.join(part)}" for part in parts]
    return lines


def _node_lines(keyword: str, node: Node) -> list[str]:
    lines = [f"{keyword} {node.name} {node.description}"]
    if node.variables:
        values = " ".join(f'{key}="{_escaped(value)}"' for key, value in node.variables.items())
        # Appended, they win over what a description says, whatever DAGMan's default is
        lines.append(f"VARS {node.name} APPEND {values}")
    return lines


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _check(dag: Dag) -> None:
    everyone = [*dag.nodes, *(one for one in (dag.service, dag.final) if one is not None)]
    seen: set[str] = set()
    for node in everyone:
        _check_name("node", node.name)
        if node.name in seen:
            raise DagError(f"two nodes are named {node.name!r}")
        seen.add(node.name)
        if node.description not in dag.descriptions:
            raise DagError(f"node {node.name!r}: there is no submit description {node.description!r}")
        if node.category is not None and node.category not in dag.throttles:
            raise DagError(f"node {node.name!r}: category {node.category!r} has no throttle")
        for key, value in node.variables.items():
            _check_value(f"node {node.name!r}: variable {key!r}", key, value)
    _check_gates(dag, seen)
    for name, commands in dag.descriptions.items():
        _check_name("submit description", name)
        for key, value in commands.items():
            _check_value(f"submit description {name!r}: {key!r}", key, value)
    for category, count in dag.throttles.items():
        _check_name("category", category)
        if count < 1:
            raise DagError(f"category {category!r}: at least one node must be allowed, not {count}")


def _check_gates(dag: Dag, seen: set[str]) -> None:
    for gate in dag.gates:
        _check_name("gate", gate.name)
        _check_value(f"gate {gate.name!r}", "script", gate.script)
        if gate.name in seen or gate.description not in dag.descriptions:
            raise DagError(f"gate {gate.name!r}: its name is taken, or there is no {gate.description!r}")
        seen.add(gate.name)


def _check_name(kind: str, name: str) -> None:
    if not _NAME.fullmatch(name) or name.lower() in _RESERVED:
        raise DagError(f"{kind} {name!r}: must be letters, digits, '-' and '_', and none of {sorted(_RESERVED)}")


def _check_value(where: str, key: str, value: str) -> None:
    if not re.fullmatch(r"[A-Za-z_+][\w.+]*", key):
        raise DagError(f"{where}: {key!r} is not a name of a submit command")
    if any(ord(character) < 32 for character in value) or value.rstrip().endswith("\\"):
        raise DagError(f"{where}: must be one line that the next does not continue, not {value!r}")

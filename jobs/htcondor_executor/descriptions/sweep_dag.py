"""From planned jobs to their DAG. Pure.

A DAG may have any number of jobs: DAGMan keeps at most ``DAGMAN_MAX_JOBS_IDLE`` idle ones (1,000) in the queue and
submits the next as these start, as late materialization would; ``max_running`` lowers that for a simulator. It is the
sweep's, while a throttle is a DAG's and stays what it was at the submit. So a submit beside an older DAG gets the whole
of ``max_running``; as many of its jobs as the older ones leave room for go at once, and the others wait for their end.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobs.executor import Conditions, Placement
from jobs.htcondor_executor.descriptions.dag import Dag, Gate, Node
from jobs.htcondor_executor.descriptions.submit_description import (
    Site,
    collect_commands,
    node_variables,
    watch_commands,
    worker_commands,
)
from jobs.plan import PlannedJob

COLLECT = "collect"  # the last node; jobs have a hyphen in their names
WATCH = "watch"  # the node that keeps jobs from bad machines while the DAG is at work
OURS = frozenset({COLLECT, WATCH})
GATE = "gate"  # so begin the names of nodes that wait for an older DAG

_WATCH = (sys.executable, "-P", "-m", "jobs.htcondor_executor.watch")
# Whether a DAG has ended, told by its log in any of HTCondor's forms: 0 if it has, 1 if not, 2 if the log is gone
_ENDED = "/bin/grep -q -s -E ^(005|009)|Job(Terminated|Aborted)Event {}"


@dataclass(frozen=True)
class OlderDag:
    """A DAG of the same sweep that has not ended.

    Parameters
    ----------
    log : str
        The event log of DAGMan's own job, relative to the run's folder.
    in_queue : mapping of str to int
        By simulator: how many jobs it may have in the queue at a time.
    """

    log: str
    in_queue: Mapping[str, int]


def make_dag(planned: Sequence[PlannedJob], conditions: Conditions, site: Site, older: Sequence[OlderDag] = ()) -> Dag:
    """Make the DAG of a submit.

    Parameters
    ----------
    planned : sequence of PlannedJob
        A node each.
    conditions : Conditions
        What the sweep says.
    site : Site
        What is the same for all jobs.
    older : sequence of OlderDag
        Their jobs count against ``max_running``.
    """
    simulators = list(dict.fromkeys(one.job.simulator for one in planned))
    placement = {name: conditions.placement.get(name, Placement()) for name in simulators}
    throttles = {name: limit for name in simulators if (limit := placement[name].max_running) is not None}
    keeps_spikes = {one.job.simulator: one.job.spikes != "none" for one in planned}
    descriptions = {name: worker_commands(name, placement[name], keeps_spikes[name], site) for name in simulators}
    final = None
    if conditions.collect and site.settings["collect"] != "none":
        descriptions[COLLECT] = collect_commands(conditions.collect, conditions.environment, site)
        final = Node(COLLECT, COLLECT)
    service = None
    # Under the same conditions as the last node: without it nobody asked for anything on the access point
    if final is not None and site.settings["collect"] == "local" and site.settings["elsewhere_seconds"]:
        descriptions[WATCH] = watch_commands(_WATCH, conditions.environment, site)
        service = Node(WATCH, WATCH)
    nodes = [
        Node(
            one.job.name,
            one.job.simulator,
            node_variables(one, float(site.settings["time_limit"])),
            one.job.simulator if one.job.simulator in throttles else None,
        )
        for one in planned
    ]
    gated = _gated(nodes, throttles, older)
    gates = [Gate(f"{GATE}_{i}", simulators[0], _ENDED.format(one.log)) for i, one in enumerate(older, 1)]
    return Dag(
        descriptions=descriptions,
        nodes=nodes,
        final=final,
        throttles=throttles,
        gates=gates if gated else (),
        gated=gated,
        service=service,
    )


def _gated(nodes: Sequence[Node], throttles: Mapping[str, int], older: Sequence[OlderDag]) -> set[str]:
    """Return the nodes that older DAGs leave no room for."""
    gated: set[str] = set()
    for simulator, limit in throttles.items():
        n_taken = sum(one.in_queue.get(simulator, 0) for one in older)
        mine = [node.name for node in nodes if node.category == simulator]
        if n_taken:
            gated.update(mine[max(0, limit - n_taken) :])
    return gated

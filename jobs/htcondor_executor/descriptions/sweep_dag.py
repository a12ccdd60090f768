"""From planned jobs to their DAG. Pure.

A DAG may have any number of jobs: DAGMan keeps at most ``DAGMAN_MAX_JOBS_IDLE`` idle ones (1,000) in the queue and
submits the next as these start, as late materialization would; ``max_running`` lowers that for a simulator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobs.executor import Conditions, Placement
from jobs.htcondor_executor.descriptions.dag import Dag, Node
from jobs.htcondor_executor.descriptions.submit_description import (
    Site,
    collect_commands,
    node_variables,
    worker_commands,
)
from jobs.plan import PlannedJob

COLLECT = "collect"  # the last node; jobs have a hyphen in their names


def make_dag(
    planned: Sequence[PlannedJob], conditions: Conditions, site: Site, in_queue: Mapping[str, int] | None = None
) -> Dag:
    """Make the DAG of a submit.

    Parameters
    ----------
    planned : sequence of PlannedJob
        A node each.
    conditions : Conditions
        What the sweep says.
    site : Site
        What is the same for all jobs.
    in_queue : mapping of str to int, optional
        By simulator: how many jobs earlier DAGs of the sweep have in the queue at most. They count against
        ``max_running``, which is the sweep's; one job at a time is always this DAG's.
    """
    simulators = list(dict.fromkeys(one.job.simulator for one in planned))
    placement = {name: conditions.placement.get(name, Placement()) for name in simulators}
    throttles = {
        name: max(1, limit - (in_queue or {}).get(name, 0))
        for name in simulators
        if (limit := placement[name].max_running) is not None
    }
    keeps_spikes = {one.job.simulator: one.job.spikes != "none" for one in planned}
    descriptions = {name: worker_commands(name, placement[name], keeps_spikes[name], site) for name in simulators}
    final = None
    if conditions.collect and site.settings["collect"] != "none":
        descriptions[COLLECT] = collect_commands(conditions.collect, conditions.environment, site)
        final = Node(COLLECT, COLLECT)
    nodes = [
        Node(
            one.job.name,
            one.job.simulator,
            node_variables(one, float(site.settings["time_limit"])),
            one.job.simulator if one.job.simulator in throttles else None,
        )
        for one in planned
    ]
    return Dag(
        descriptions=descriptions,
        nodes=nodes,
        final=final,
        throttles=throttles,
    )

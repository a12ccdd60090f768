"""The worker's side: network descriptions, simulators, statistics, and the worker that runs a job."""

"""From points to jobs, and from jobs to an executor."""

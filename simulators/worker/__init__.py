"""The worker: the command, and how it runs a job."""

"""What crosses the wire and lies on disk: jobs, summaries, spikes, and the folder of a run."""

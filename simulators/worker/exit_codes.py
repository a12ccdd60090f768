"""How a worker ends: what it tells whoever started it."""

DONE = 0  # every point has a row
TRANSIENT = 75  # a passing trouble (no space left, say), worth another try
UNUSABLE = 78  # the job cannot be carried out here; another try is pointless
STOPPED = 85  # stopped on request; finished points are written

"""How a worker ends: what it tells whoever started it."""

DONE = 0  # every point has a row
TRANSIENT = 75  # not here or not now: something is missing, was cut short or is another, a disk is full; try elsewhere
OUT_OF_MEMORY = 76  # memory was refused, or (from the supervisor) the worker was killed for it; try with more
UNUSABLE = 78  # the content of the job file is wrong, on any machine; another try is pointless
STOPPED = 85  # stopped on request; finished points are written

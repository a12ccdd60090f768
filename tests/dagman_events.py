"""What the log of DAGMan's own job says, as HTCondor writes it."""

HOST = "<127.0.0.1:9618?addrs=127.0.0.1-9618>"
SUBMITTED = f"000 (007.000.000) 2026-11-21 12:34:09 Job submitted from host: {HOST}\n...\n"
REMOVED = "009 (007.000.000) 2026-11-21 12:40:00 Job was aborted.\n\tvia condor_rm\n...\n"
_USAGES = ("Run Remote", "Run Local", "Total Remote", "Total Local")
_TRANSFERS = ("Run Bytes Sent", "Run Bytes Received", "Total Bytes Sent", "Total Bytes Received")
REST_OF_END = (
    "".join(f"\t\tUsr 0 00:00:00, Sys 0 00:00:00  -  {what} Usage\n" for what in _USAGES)
    + "".join(f"\t0  -  {what} By Job\n" for what in _TRANSFERS)
    + "...\n"
)
ENDED = (
    "005 (007.000.000) 2026-11-21 12:34:10 Job terminated.\n\t(1) Normal termination (return value 1)\n" + REST_OF_END
)

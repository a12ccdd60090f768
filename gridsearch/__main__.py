"""``python -m gridsearch``: started beside a user's own ``analysis.py``, it must not take that for ours."""

import os
import sys

_ROOT = os.path.abspath(f"{__file__}/../..")  # noqa: PTH100, as a user's pathlib.py may be on the path

if __name__ == "__main__":
    if not sys.flags.safe_path:
        del sys.path[0]  # the working directory; a user's files are loaded as guests, from where the sweep says
    sys.path.insert(0, _ROOT)
    from simulators.working_directory import keep_it_off_the_path

    keep_it_off_the_path(_ROOT)
    os.environ["PYTHONSAFEPATH"] = "1"  # for the processes we start
    from gridsearch.commands.cli import main

    sys.exit(main())

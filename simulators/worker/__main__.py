"""``python -m simulators.worker``: see `simulators.worker.command`, and `simulators.worker.finisher`."""

from __future__ import annotations

import os
import sys

_ROOT = os.path.abspath(f"{__file__}/../../..")  # noqa: PTH100, as a user's pathlib.py may be on the path

if __name__ == "__main__":
    if not sys.flags.safe_path:
        sys.path[0] = _ROOT
    from simulators.working_directory import keep_it_off_the_path

    keep_it_off_the_path(_ROOT)


class _NoPandas:
    """Hides pandas, which pyarrow imports wherever it finds it: 45 MB and half a second that no worker has use for."""

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        """Find nothing, loudly, if asked for pandas."""
        if name == "pandas":
            raise ModuleNotFoundError("a worker does without pandas", name=name)


if __name__ == "__main__":
    os.environ["PYTHONSAFEPATH"] = "1"
    sys.meta_path.insert(0, _NoPandas())
    # Read when numpy is imported: threads for small matrices would only take cores from other workers.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if sys.argv[1:2] == ["--finisher"]:
        from simulators.worker.finisher import main as finish

        sys.exit(finish(int(sys.argv[2])))
    from simulators.worker.command import main

    sys.exit(main())

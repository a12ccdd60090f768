"""Print the project's dependencies as pip requirements: list_requirements.py SETUP_CFG [EXTRA ...]."""

import configparser
import sys
from pathlib import Path


def list_requirements(setup_cfg: Path, extras: list[str]) -> list[str]:
    """Read what ``setup_cfg`` requires, together with what the named extras require.

    Parameters
    ----------
    setup_cfg
        The project's setup.cfg.
    extras
        Names in its section ``options.extras_require``.

    Returns
    -------
    list of str
        One requirement each (PEP 508), environment markers kept.

    Raises
    ------
    KeyError
        If setup.cfg names no such extra.
    """
    config = configparser.ConfigParser()
    config.read_string(setup_cfg.read_text(encoding="utf-8"))
    lists = [config["options"]["install_requires"]]
    lists += [config["options.extras_require"][extra] for extra in extras]
    return [line.strip() for text in lists for line in text.splitlines() if line.strip()]


if __name__ == "__main__":
    sys.stdout.write("\n".join(list_requirements(Path(sys.argv[1]), sys.argv[2:])) + "\n")

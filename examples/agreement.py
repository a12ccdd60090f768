"""Say how far apart two simulators of a run are, statistic by statistic: python examples/agreement.py results/demo."""

from __future__ import annotations

import sys

import analysis


def main() -> None:
    """Compare the first two simulators of the run."""
    table = analysis.open_run(sys.argv[1])
    first, second = table["configuration"].unique()[:2]
    print(f"{second} beside {first}, with the spread between draws as yardstick:")
    for row in analysis.compare(table, first, second).to_dict("records"):
        print(f"  {row['statistic']}: {row['verdict']}")


if __name__ == "__main__":
    main()

"""The commented sweep that ``init`` writes."""

from __future__ import annotations

import textwrap
from pathlib import Path

from gridsearch.inputs.input_files import toml_text
from gridsearch.inputs.parameters import Parameter, defaults_file, read_defaults
from simulators.statistics import STATISTICS

_TEMPLATE = """\
# A sweep: what to vary, what to measure, and what "calibrated" means.
#   python -m gridsearch plan SWEEP      points, jobs, hours, memory, disk; writes nothing
#   python -m gridsearch submit SWEEP    runs what is not done yet; submit again to go on
name = "first"                    # → results/first/
model = "{model}"
simulators = ["nest"]             # every point runs on each

[parameters]                      # fixed values in place of the defaults; all parameters are listed at the end
N_E = 1600
N_I = 400

[axes]                            # the grid is the product of the axes
I_th_E = {{ start = 0.95, stop = 2.45, num = 6 }}
I_th_I = {{ start = 0.70, stop = 1.45, num = 6 }}
# jep = {{ values = [1.0, 2.75, 5.0] }}                          # the values themselves
# tau_m_E = {{ start = 10.0, step = 5.0, num = 4 }}              # start, start + step, …
# gie = {{ start = 0.5, stop = 2.0, num = 5, log = true }}       # evenly spaced logarithms
# N_E = {{ values = [1600, 3200], zip = "size" }}                # axes of one zip group advance together
# N_I = {{ values = [400, 800], zip = "size" }}
# "p[0,1]" = {{ values = [0.4, 0.5] }}                           # one element of a matrix, [target, source]

[replicates]
seeds = 1                         # a count, or a list such as [1, 2, 3]
draws = "shared"                  # "shared": a seed is one connectivity for the whole grid (fast; a draw can shift a
                                  # whole map by a few per cent) · "per_point": every point draws its own

[simulation]
dt = 0.1                          # ms
warmup = 200.0                    # ms, left out of every statistic
duration = 1000.0                 # ms

[record]
statistics = ["rate", "lv", "correlation"]   # what is shown; all that cost nothing are computed always
{statistics}
spikes = "none"                   # "none" · "sample": 100 neurons per population · "all"
# settings = {{ fano_window = 200.0 }}                             # constants of the statistics
# windows = {{ before = [0, 300], during = [300, 350] }}           # ms: every statistic also per window (rate_E_during)
# window_shifts = {{ I = 5.0 }}                                    # ms by which a population's windows lie later

[targets]                         # a range, or a value and a tolerance; weight for the loss
rate_E = {{ min = 2.0, max = 8.0 }}
lv_E = {{ value = 1.0, tolerance = 0.3, weight = 0.5 }}

[jobs]
executor = "auto"                 # who runs the jobs; "auto" takes a pool where one answers, else this machine
minutes_per_job = 30
# minutes_per_point = 10          # a point that takes longer is given up

[jobs.nest]
threads = 1                       # part of a NEST result's identity: NEST draws depend on it

# The parameters of the model and their defaults:
{parameters}
"""


def starter_sweep(model: str) -> str:
    """Return a commented sweep of a model.

    Raises
    ------
    InputError
        If the model's defaults are missing or malformed.
    """
    statistics = "\n".join(
        textwrap.wrap(f"all: {', '.join(STATISTICS)}", 90, initial_indent="# ", subsequent_indent="#      ")
    )
    parameters = "\n".join(_line(parameter) for parameter in read_defaults(defaults_file(model, Path())).values())
    return _TEMPLATE.format(model=model, statistics=statistics, parameters=parameters)


def starter_model(name: str) -> dict[str, str]:
    """Return the files of a commented network of one's own, text by file name: the model, its defaults and a sweep."""
    starters = Path(__file__).with_name("starters")
    files = {f"{name}.py": "network.py", f"{name}.toml": "network.toml", "sweep.toml": "sweep.toml"}
    return {
        file: (starters / starter).read_text(encoding="utf-8").replace("NAME", name) for file, starter in files.items()
    }


def _line(parameter: Parameter) -> str:
    unit = "" if parameter.unit == "1" else f" {parameter.unit}"
    return f"#   {parameter.name} = {toml_text(parameter.value)}{unit}: {parameter.doc}"

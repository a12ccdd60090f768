"""The commented sweep that ``init`` writes."""

from __future__ import annotations

import textwrap
from pathlib import Path

from gridsearch.inputs.input_files import toml_text
from gridsearch.inputs.parameters import Parameter, defaults_file, read_defaults
from gridsearch.planning.advice import times_of_points
from simulators.backends.simulator import NOMINAL_RATE
from simulators.models import find_model
from simulators.records.job import Simulation
from simulators.statistics import STATISTICS

_STARTERS = Path(__file__).with_name("starters")
_N_POINTS = 1600  # of the published grid

_TEMPLATE = """\
# A sweep: what to vary, what to measure, and what "calibrated" means.
#   python -m gridsearch plan SWEEP      points, jobs, hours, memory, disk; writes nothing
#   python -m gridsearch submit SWEEP    runs what is not done yet; submit again to go on
name = "first"                    # → results/first/
model = "{model}"
simulators = ["nest"]             # every point runs on each
{advice}

{parts[parameters]}
{parts[axes]}
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

{parts[targets]}
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
    defaults = read_defaults(defaults_file(model, Path()))
    parameters = "\n".join(_line(parameter) for parameter in defaults.values())
    network = find_model(model, Path())(defaults.values_by_name())
    times = times_of_points(network, Simulation(0.1, 1000.0, 9000.0), _N_POINTS)
    points = f"{_N_POINTS} points of 10 s, of the {network.n_neurons} neurons of the defaults"
    own = times_of_points(network, Simulation(0.1, 1000.0, 9000.0), _N_POINTS, own_draws=True)
    advice = (
        f"# {points}, take of one core, at {NOMINAL_RATE:g} Hz: {times}; "
        f'with a connectivity for every point (draws = "per_point"): {own}'
    )
    return _TEMPLATE.format(
        model=model,
        parts=_parts(model),
        statistics=statistics,
        parameters=parameters,
        advice="\n".join(textwrap.wrap(advice, 110, subsequent_indent="#   ")),
    )


def starter_model(name: str) -> dict[str, str]:
    """Return the files of a commented network of one's own, text by file name: the model, its defaults and a sweep."""
    files = {f"{name}.py": "network.py", f"{name}.toml": "network.toml", "sweep.toml": "sweep.toml"}
    return {
        file: (_STARTERS / starter).read_text(encoding="utf-8").replace("NAME", name) for file, starter in files.items()
    }


def _parts(model: str) -> dict[str, str]:
    """Sections of a sweep that depend on the model, by name; commented examples where it has no file for them."""
    folder = _STARTERS / "models"
    file = folder / f"{model}.toml"
    text = (file if file.is_file() else folder / "any.toml").read_text(encoding="utf-8")
    return {section.partition("]")[0]: f"[{section.strip()}\n" for section in text.split("\n[")[1:]}


def _line(parameter: Parameter) -> str:
    unit = "" if parameter.unit == "1" else f" {parameter.unit}"
    return f"#   {parameter.name} = {toml_text(parameter.value)}{unit}: {parameter.doc}"

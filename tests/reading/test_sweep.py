"""The language of sweep.toml, and that every mistake in it is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from sweeps import SMALL, make_sweep, sweep_text, write_sweep

from gridsearch.commands.starter import starter_sweep
from gridsearch.inputs.input_files import InputError
from gridsearch.inputs.parameters import defaults_file, read_defaults
from gridsearch.planning.grid import expand
from gridsearch.sweeps.sweep import read_sweep
from simulators.models import model_names

# Words of the libraries beneath, and Python's own way to write values
FOREIGN = (
    "pydantic",
    "union",
    "Input should",
    "validation",
    "literal",
    "NoneType",
    "dict",
    "True",
    "False",
    "constrain",
)


def complaints(path: Path) -> list[str]:
    """Return what is said of a sweep, with the name of its file taken off."""
    with pytest.raises(InputError) as caught:
        expand(read_sweep(path))
    said = []
    for problem in caught.value.problems:
        text = str(problem)
        assert text.startswith(f"{path}: "), "the file is named"
        assert not any(word in text for word in FOREIGN), text
        said.append(text.removeprefix(f"{path}: "))
    return said


def complaint(folder: Path, **sections: object) -> str:
    said = complaints(write_sweep(folder, **sections))
    assert len(said) == 1, said
    return said[0]


def test_a_full_sweep(tmp_path: Path) -> None:
    sweep = make_sweep(
        tmp_path,
        simulators=["nest", "poisson"],
        parameters=f'{SMALL}\nge = 1\np = [[0.1, 0.2], [0.3, 0.4]]\n"p[0,1]" = 0.25',
        axes='I_th_E = { values = [1, 2] }\n"p[1,0]" = { values = [0.3, 0.4], zip = "z" }\n'
        'gie = { start = 0.5, stop = 2.0, num = 2, log = true, zip = "z" }',
        replicates='seeds = [4, 2]\ndraws = "per_point"',
        simulation="dt = 0.2\nwarmup = 10.0\nduration = 1000.0\nmax_rate = 100.0",
        record='statistics = ["rate", "fano_factor"]\nspikes = "sample"\nsettings = { fano_window = 100.0 }',
        targets="rate_E = { min = 2.0, max = 5.0 }\nfano_factor_I = { value = 1, tolerance = 0.2, weight = 0.5 }",
        jobs='executor = "local"\nminutes_per_job = 5\nminutes_per_point = 1',
        more='[jobs.nest]\nthreads = 2\nimage = "nest:1"\nmax_running = 3\n[jobs.poisson]\nbatch = 4\n',
    )
    assert sweep.parameters["ge"] == 1.0 and type(sweep.parameters["ge"]) is float
    assert sweep.parameters["p[0,1]"] == 0.25
    assert [axis.key for axis in sweep.axes] == ["I_th_E", "p[1,0]", "gie"]
    assert sweep.axes[0].values == (1.0, 2.0) and sweep.axes[2].log
    assert (sweep.seeds, sweep.draws) == ((4, 2), "per_point")
    assert sweep.simulation.n_steps == 5000 and sweep.simulation.warmup_steps == 50
    assert sweep.simulation.max_rate == 100.0
    assert (sweep.statistics, sweep.spikes) == (("rate", "fano_factor"), "sample")
    assert dict(sweep.statistics_settings) == {"fano_window": 100.0}
    assert sweep.targets["rate_E"].max == 5.0 and sweep.targets["fano_factor_I"].weight == 0.5
    assert sweep.simulators["nest"]["threads"] == 2 and sweep.simulators["poisson"]["batch"] == 4
    assert sweep.simulators["poisson"]["max_rate_hz"] == 20.0, "defaults are filled in"
    assert sweep.placement["nest"].image == "nest:1" and sweep.placement["nest"].max_running == 3
    assert sweep.jobs.minutes_per_point == 1.0
    assert expand(sweep).parameters["p"] == [[0.1, 0.25], [0.3, 0.4]]


def test_a_short_sweep_has_defaults(tmp_path: Path) -> None:
    path = tmp_path / "sweep.toml"
    path.write_text('name = "a"\nmodel = "clustered"\nsimulators = ["poisson"]\n')
    sweep = read_sweep(path)
    assert (sweep.seeds, sweep.axes, sweep.spikes, sweep.targets) == ((1,), (), "none", {})
    assert sweep.simulation.dt == 0.1 and sweep.jobs.executor == "auto"
    assert len(expand(sweep).points) == 1


def test_replicates_as_a_count(tmp_path: Path) -> None:
    assert make_sweep(tmp_path, replicates="seeds = 3").seeds == (1, 2, 3)


@pytest.mark.parametrize("model", model_names())
def test_the_starter_is_a_sound_sweep_with_every_parameter(tmp_path: Path, model: str) -> None:
    text = starter_sweep(model)
    (tmp_path / "sweep.toml").write_text(text)
    sweep = read_sweep(tmp_path / "sweep.toml")
    assert len(expand(sweep).points) == (36 if model == "clustered" else 1)
    assert bool(sweep.targets) == (model == "clustered"), "others have examples in comments"
    assert text.count("[axes]") == text.count("[parameters]") == text.count("[targets]") == 1
    assert all(f"#   {name} = " in text for name in read_defaults(defaults_file(model, Path())))


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"name": "../up"}, 'name = "../up": must start with a letter'),
        ({"name": ""}, 'name = "": must start with a letter'),
        ({"model": "clusterd"}, "model = \"clusterd\": no such model; did you mean 'clustered'? valid: "),
        ({"simulators": []}, "simulators = []: must not be empty"),
        ({"simulators": ["nst"]}, "simulators = \"nst\": no such simulator; did you mean 'nest'? valid: "),
        ({"simulators": ["poisson", "poisson"]}, 'simulators = "poisson": is listed twice'),
        ({"more": "[axis]\nx = 3\n"}, "axis = {x = 3}: unknown key; did you mean 'axes'? valid: "),
        ({"parameters": "tau_m = 3"}, "parameters.tau_m = 3: unknown parameter; did you mean 'tau_m_"),
        ({"parameters": "N_E = 80.5"}, "parameters.N_E = 80.5: must be an integer, not a number"),
        ({"parameters": 'ge = "a"'}, 'parameters.ge = "a": must be a number, not a string'),
        ({"parameters": "tau_m_E = 0"}, "parameters.tau_m_E = 0: must be above 0 ms"),
        ({"parameters": "ge = nan"}, "parameters.ge = nan: must be finite"),
        ({"parameters": "ge = -inf"}, "parameters.ge = -inf: must be finite"),
        ({"parameters": "p = [[0.1, 0.1]]"}, "parameters.p = [[0.1, 0.1]]: must have 2 elements"),
        ({"parameters": '"p[0,2]" = 0.1'}, 'parameters."p[0,2]" = 0.1: there is no such element: p is 2×2'),
        ({"axes": "ge = 3"}, "axes.ge = 3: must be a table"),
        ({"axes": "ge = { values = [] }"}, "axes.ge.values = []: must not be empty"),
        ({"axes": "ge = { values = 3 }"}, "axes.ge.values = 3: must be a list"),
        ({"axes": "ge = { values = [1, 1.0] }"}, "axes.ge = {values = [1, 1.0]}: values repeat: 1.0"),
        ({"axes": "ge = { value = [1] }"}, "axes.ge.value = [1]: unknown key; did you mean 'values'? valid: "),
        ({"axes": "ge = { start = 0, stop = inf, num = 2 }"}, "axes.ge.stop = inf: must be finite"),
        ({"axes": "ge = { start = 0, stop = 1, num = 2.5 }"}, "axes.ge.num = 2.5: must be an integer"),
        ({"axes": "ge = { values = [1, -1] }"}, "axes.ge = {values = [1, -1]}: value -1: must be at least 0"),
        ({"axes": "gee = { values = [1] }"}, "axes.gee = {values = [1]}: unknown parameter; did you mean 'g"),
        ({"axes": "N_I = { values = [20] }", "parameters": SMALL}, "is also fixed in parameters.N_I; keep one"),
        (
            {"axes": '"p[0, 1]" = { values = [0.1] }', "parameters": '"p[0,1]" = 0.2'},
            "is also fixed in parameters.p[0,1]",
        ),
        ({"axes": "p = { values = [[[0.1, 0.1], [0.1, 0.1]]] }", "parameters": '"p[0,1]" = 0.2'}, "is also fixed in"),
        (
            {"axes": 'p = { values = [[[0.1, 0.1], [0.1, 0.1]]] }\n"p[0,1]" = { values = [0.2] }'},
            'axes."p[0,1]" = {values = [0.2]}: axes.p sweeps the whole of it',
        ),
        ({"axes": '"p[0,1]" = { values = [0.1] }\n"p[0, 1]" = { values = [0.2] }'}, "sweeps the same; keep one"),
        (
            {"axes": 'ge = { values = [1, 2], zip = "z" }\ngi = { values = [1], zip = "z" }'},
            'axes: axes of one zip group must be equally long; in zip = "z" ge has 2 values, gi has 1 values',
        ),
        ({"replicates": "seeds = 0"}, "replicates.seeds = 0: must be how many (1 to 100000), or a list"),
        ({"replicates": "seeds = []"}, "replicates.seeds = []: must be how many"),
        ({"replicates": "seeds = [1, 1]"}, "replicates.seeds = [1, 1]: seeds repeat"),
        ({"replicates": "seeds = [-1]"}, "replicates.seeds = -1: must be at least 0"),
        ({"replicates": 'draws = "own"'}, "replicates.draws = \"own\": must be 'shared' or 'per_point'"),
        ({"simulation": "dt = 0"}, "simulation.dt = 0: must be above 0"),
        ({"simulation": "dt = 0.3\nduration = 9.0\nwarmup = 1.0"}, "simulation.warmup = 1.0: must be a multiple of dt"),
        ({"simulation": "duration = 10.05"}, "simulation.duration = 10.05: must be a multiple of dt = 0.1 ms"),
        ({"simulation": "duration = nan"}, "simulation.duration = nan: must be finite"),
        (
            {"record": 'statistics = ["cv"]'},
            "record.statistics = \"cv\": no such statistic; did you mean 'cv2'? valid: ",
        ),
        ({"record": 'statistics = ["rate", "rate"]'}, "statistics repeat"),
        ({"record": 'spikes = "some"'}, "record.spikes = \"some\": must be 'none', 'sample' or 'all'"),
        (
            {"record": "settings = { fano_window = 0.25 }"},
            "record.settings.fano_window = 0.25: must be a whole number of",
        ),
        ({"record": "settings = { fano_windo = 1 }"}, "record.settings.fano_windo = 1: no such setting: did you mean"),
        (
            {"targets": "rate_X = { min = 1 }"},
            "targets.rate_X: no such column; did you mean 'rate_",
        ),
        ({"targets": "gamma_power = { min = 1 }"}, "targets.gamma_power: no such column; valid: rate_E, rate_sd_E, "),
        ({"targets": "rate_hist_E = { min = 1 }"}, "targets.rate_hist_E: holds a list, a number for each bin"),
        (
            {"targets": "rate_E_befor = { min = 1 }", "record": "[record.windows]\nbefore = [0, 50]"},
            "targets.rate_E_befor: no such column; did you mean 'rate_E_before'",
        ),
        ({"record": "[record.windows]\nbefore = 5"}, "record.windows.before = 5: must be [begin, end] in ms since"),
        ({"record": "[record.windows]\nbefore = [0, true]"}, "record.windows.before = [0, true]: must be [begin, end]"),
        ({"record": "[record.windows]\nbefore = [50, 50]"}, "record.windows.before = [50, 50]: must end after it"),
        (
            {"record": "[record.windows]\nbefore = [0, 100.1]"},
            "record.windows.before = [0, 100.1]: must lie within the recording, 0 to 100 ms",
        ),
        (
            {"record": "[record.windows]\nbefore = [-1, 50]"},
            "record.windows.before = [-1, 50]: must lie within the recording, 0 to 100 ms",
        ),
        (
            {"record": "[record.windows]\nbefore = [0, 50.05]"},
            "record.windows.before = [0, 50.05]: must begin and end at whole steps of 0.1 ms",
        ),
        (
            {"record": '[record.windows]\n"be fore" = [0, 50]'},
            "record.windows.be fore = [0, 50]: its name must be letters, digits and '_' after a letter",
        ),
        ({"record": "windows = 3"}, "record.windows = 3: must be a table"),
        (
            {"record": "window_shifts = { I = 10 }\n[record.windows]\nlate = [50, 95]"},
            "record.windows.late = [50, 95]: must lie within the recording, 0 to 100 ms (shifted by 10 ms for I)",
        ),
        (
            {"record": 'window_shifts = { I = "x" }\n[record.windows]\nlate = [50, 95]'},
            'record.window_shifts.I = "x": must be a number of ms',
        ),
        (
            {"record": "window_shifts = { X = 1.5 }\n[record.windows]\nlate = [50, 95]"},
            "record.window_shifts.X = 1.5: no such population; valid: E, I",
        ),
        ({"record": "window_shifts = { I = 1 }"}, "record.window_shifts = "),
        (
            {
                "axes": "duration = { values = [40, 80] }",
                "simulation": "",
                "record": "[record.windows]\nlate = [50, 60]",
            },
            "record.windows.late = [50, 60]: must lie within the recording, 0 to 40 ms",
        ),
        ({"targets": "rate_E = { min = 1, value = 2 }"}, "give either min, max or both, or value and tolerance"),
        ({"targets": "rate_E = { min = 2, max = 1 }"}, "min must not be above max"),
        ({"targets": "rate_E = { min = 1, weight = -1 }"}, "targets.rate_E.weight = -1: must be above 0"),
        (
            {"jobs": 'executor = "locl"'},
            "jobs.executor = \"locl\": no such executor; did you mean 'local'? valid: auto, ",
        ),
        ({"jobs": "minutes_per_job = 0"}, "jobs.minutes_per_job = 0: must be above 0"),
        ({"jobs": "nest = 3"}, "jobs.nest = 3: must be a table: [jobs.nest]"),
        (
            {"more": "[jobs.nst]\nthreads = 2\n"},
            "jobs.nst = {threads = 2}: no such simulator or executor; did you mean",
        ),
        ({"more": "[jobs.poisson]\nbatch = 1.5\n"}, "jobs.poisson.batch = 1.5: must be an integer: points that run"),
        ({"more": "[jobs.poisson]\nbatch = 0\n"}, "jobs.poisson.batch = 0: must be at least 1"),
        ({"more": "[jobs.poisson]\nseconds_per_point = nan\n"}, "jobs.poisson.seconds_per_point = nan: must be finite"),
        ({"more": "[jobs.poisson]\nsubmit = { a = [1] }\n"}, "jobs.poisson.submit.a = [1]: must be a string"),
        ({"more": "[jobs.poisson]\nbath = 2\n"}, "jobs.poisson.bath = 2: unknown key; did you mean 'batch'? valid: "),
    ],
)
def test_each_mistake(tmp_path: Path, sections: dict[str, object], said: str) -> None:
    assert said in complaint(tmp_path, **sections)


def test_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "sweep.toml").write_text("")
    assert complaints(tmp_path / "sweep.toml") == [f"{key}: is missing" for key in ("name", "model", "simulators")]


def test_sizes_that_cannot_be_divided(tmp_path: Path) -> None:
    said = complaints(write_sweep(tmp_path, parameters="N_E = 80\nN_I = 20", axes="Q = { values = [4, 7, 10, 40] }"))
    assert said == [
        "axes.Q: N_E = 80 must be divisible by Q = 7",
        "axes.Q: N_I = 20 must be divisible by Q = 40",
    ]
    # the user gave Q, not N_E: Q is what is named
    assert (
        complaint(tmp_path, parameters="Q = 7", axes="") == "parameters.Q = 7: N_E = 20000 must be divisible by Q = 7"
    )


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "sweep.toml"
    path.write_text(
        sweep_text(
            name="a b",
            simulators=["nst"],
            parameters="Q = 7\nN_I = 700",
            axes="N_E = { values = [70, 80] }",
            replicates="seeds = [1, 1]",
            simulation="warmup = 0.05",
            record='statistics = ["rate", "cv"]\nsettings = { fano_window = -1 }',
            targets="cv = { max = 1, mni = 0 }",
            jobs='executor = "smoke_signals"',
            more="[jobs.gnn]\nbatch = 3\n[extra]\n",
        )
    )
    starts = (
        *("extra", "name", "simulators", "axes.N_E", "replicates.seeds", "simulation.warmup", "record.statistics"),
        *("record.settings.fano_window", "targets.cv.mni", "jobs.executor", "jobs.gnn"),
    )
    said = complaints(path)
    assert len(said) == len(starts), said
    for start in starts:
        assert sum(text.startswith((f"{start} ", f"{start}:")) for text in said) == 1, start


def test_targets_are_checked_beside_other_mistakes(tmp_path: Path) -> None:
    said = complaints(write_sweep(tmp_path, replicates="seeds = 0", targets="rate_X = { min = 1 }"))
    assert len(said) == 2 and said[1].startswith("targets.rate_X: no such column")


def test_lines_of_submit_descriptions_that_are_not_the_sweeps(tmp_path: Path) -> None:
    lines = (
        '[jobs.htcondor]\ncollect = "vanilla"\n'
        'submit = { executable = "/bin/rm", "+Project" = "x", rank = """a\\nqueue 9""", request_memory = 9 }\n'
        '[jobs.poisson]\nsubmit = { Transfer_Input_Files = "/etc/passwd", requirements = "true", log = "/tmp/x" }\n'
    )
    with pytest.raises(InputError) as caught:
        read_sweep(write_sweep(tmp_path, more=lines))
    found = {problem.key for problem in caught.value.problems}
    assert found == {
        "jobs.htcondor.submit.executable",
        "jobs.htcondor.submit.rank",
        "jobs.htcondor.collect",
        "jobs.poisson.submit.Transfer_Input_Files",
        "jobs.poisson.submit.log",
    }
    values = {problem.key: problem.value for problem in caught.value.problems}
    assert values["jobs.htcondor.submit.executable"] == "/bin/rm"
    assert values["jobs.poisson.submit.log"] == "/tmp/x"

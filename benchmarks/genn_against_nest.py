"""Points per hour and core: GeNN's CPU backend with one build, against NEST with a build for every point, in one run.

The claim: at the size of the published network (25,000 neurons, 10 s per point) GeNN runs at least 25 times as many
points per hour on one core as NEST does when each point builds its own network. The build of GeNN is shared by all
points of a structure and is given apart. Processor time is measured, so that other work on the machine matters
little; the rates of both are printed, as a comparison of speed counts only where they agree.

    python benchmarks/genn_against_nest.py [--neurons 25000] [--current 1.5] [--duration 9000] [--nest-duration 500]

NEST may run for a shorter time, from which its propagation is extrapolated in proportion.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from gridsearch.parameters import read_defaults
from simulators.models.clustered import make_network
from simulators.network import Network
from simulators.records import Simulation
from simulators.simulator import Recording, find_simulator

SEED = 1
WARMUP = 1000.0  # ms


def measure(
    name: str, network: Network, duration: float, warmup: float, changes: dict[str, Any]
) -> tuple[float, float, str]:
    """Processor time of building and of running one point in s, and its rates."""
    module = find_simulator(name)
    settings = {key: setting.default for key, setting in module.SETTINGS.items()} | changes
    simulator = module.open_simulator(Simulation(0.1, warmup, duration), settings)
    simulator.build(network, SEED) if name == "genn" else None  # compiled before, as for all points but the first
    begin = time.process_time()
    simulator.build(network, SEED)
    built = time.process_time()
    (outcome,) = simulator.run([network], lambda: None)
    end = time.process_time()
    simulator.close()
    if not isinstance(outcome, Recording):
        raise RuntimeError(f"{name}: {outcome.reason}")
    rates = [f"{p} {s.n_spikes / s.size / (s.duration * 1e-3):.2f} Hz" for p, s in outcome.spikes.items()]
    return built - begin, end - built, ", ".join(rates)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--neurons", type=int, default=25_000, help="a multiple of 100 (default: %(default)s)")
    parser.add_argument("--current", type=float, default=1.5, help="background current to E over the rheobase")
    parser.add_argument("--duration", type=float, default=9000.0, help="ms recorded, after 1000 ms of warm-up")
    parser.add_argument("--nest-duration", type=float, default=500.0, help="ms that NEST propagates in fact")
    arguments = parser.parse_args()
    base: dict[str, Any] = read_defaults("clustered").values_by_name()
    base |= {"N_E": arguments.neurons * 4 // 5, "N_I": arguments.neurons // 5}
    network = make_network({**base, "I_th_E": arguments.current, "I_th_I": 0.62 * arguments.current})
    biology = WARMUP + arguments.duration
    build, run, rates = measure("genn", network, arguments.duration, WARMUP, {"backend": "single_threaded_cpu"})
    print(f"GeNN: {build:.1f} s to build, once; {run:.2f} s per point of {biology:g} ms ({rates})")
    nest_build, nest_run, rates = measure(
        "nest", network, arguments.nest_duration * 0.8, 0.2 * arguments.nest_duration, {}
    )
    nest_run *= biology / arguments.nest_duration
    print(f"NEST: {nest_build:.1f} s to build, every time; {nest_run:.1f} s per point of {biology:g} ms ({rates})")
    print(f"points per hour and core: GeNN {3600.0 / run:.0f}, NEST {3600.0 / (nest_build + nest_run):.1f}")
    print(f"GeNN runs {(nest_build + nest_run) / run:.1f} × as many, {nest_run / run:.1f} × without NEST's builds")


if __name__ == "__main__":
    main()

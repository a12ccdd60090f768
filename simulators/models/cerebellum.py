"""A cerebellar network of point neurons with the cells, projections and parameters of a published scaffold.

Granule cells (GrC) are driven by glomeruli (Glom), which are sources here; Golgi (GoC), Purkinje (PC), basket (BC),
stellate (SC) cells and neurons of the deep nuclei (DCN) follow. Connections come from lists in a file, or are drawn
with the published numbers.

References
----------
Bogdan, P. A., Marcinnò, B., Casellato, C., Casali, S., Rowley, A. G. D., Hopkins, M., Leporati, F., D'Angelo, E., &
Rhodes, O. (2021). Towards a bio-inspired real-time neuromorphic cerebellum. Frontiers in Cellular Neuroscience 15.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.description import (
    ConnectionList,
    FixedTotalNumber,
    Network,
    NetworkError,
    ParameterError,
    Population,
    Projection,
    SpikeEvents,
    Uniform,
)

CELLS = ("GrC", "GoC", "PC", "BC", "SC", "DCN")
SOURCE = "Glom"

# Population before and after each; those that inhibit have the reversal potential E_in.
PROJECTIONS: Mapping[str, tuple[str, str]] = {
    "aa_goc": ("GrC", "GoC"),
    "aa_pc": ("GrC", "PC"),
    "pf_pc": ("GrC", "PC"),
    "pf_sc": ("GrC", "SC"),
    "pf_bc": ("GrC", "BC"),
    "pf_goc": ("GrC", "GoC"),
    "glom_grc": ("Glom", "GrC"),
    "glom_goc": ("Glom", "GoC"),
    "glom_dcn": ("Glom", "DCN"),
    "goc_grc": ("GoC", "GrC"),
    "gj_goc": ("GoC", "GoC"),
    "gj_bc": ("BC", "BC"),
    "gj_sc": ("SC", "SC"),
    "bc_pc": ("BC", "PC"),
    "sc_pc": ("SC", "PC"),
    "pc_dcn": ("PC", "DCN"),
}
INHIBITORY = frozenset({"goc_grc", "gj_goc", "gj_bc", "gj_sc", "bc_pc", "sc_pc", "pc_dcn"})

_OF_CELL = ("C_m", "tau_m", "E_L", "V_th", "V_reset", "t_ref", "I_e", "tau_syn_ex", "tau_syn_in")


def make_network(parameters: Mapping[str, Any], data: Mapping[str, Path] | None = None) -> Network:
    """Describe the network for one set of parameters.

    Parameters
    ----------
    parameters : mapping of str to value
        Every parameter of ``defaults/cerebellum.toml``, in the units given there.
    data : mapping of str to Path, optional
        ``scaffold``: an HDF5 file with a table ``connections/<projection>`` for each of `PROJECTIONS`, a row a synapse:
        cell before and cell after, numbered from 0 within their populations, and, if there are four columns, weight in
        nS (its sign is not read) and delay in ms. ``positions/Glom``, where it is there, has a place in µm for each
        glomerulus. Without a file synapses are drawn, with the numbers ``n_<projection>``.

    Returns
    -------
    Network
        Seven populations, sixteen projections and the spikes of the glomeruli.

    Raises
    ------
    ParameterError
        If the network of a file is to be scaled, or the burst ends before it begins.
    NetworkError
        If a file lacks a projection.
    """
    scaffold = data["scaffold"] if data is not None and "scaffold" in data else None
    if data is not None and scaffold is None:
        raise NetworkError(f"[data] has {', '.join(data)}; this model reads scaffold")
    if scaffold is not None and parameters["scale"] != 1.0:
        raise ParameterError(("scale",), "the connections of a scaffold are a list, which cannot be scaled")
    sizes = {name: _scaled(parameters, name) for name in (SOURCE, *CELLS)}
    return Network(
        populations=(Population(SOURCE, sizes[SOURCE], "spike_source"), *(_cells(parameters, n, sizes) for n in CELLS)),
        projections=tuple(_projection(parameters, name, sizes, scaffold) for name in PROJECTIONS),
        inputs=(_stimulus(parameters, sizes[SOURCE], scaffold),),
    )


def _scaled(parameters: Mapping[str, Any], name: str) -> int:
    # two at least, so that each has another to connect to
    size: int = parameters[f"N_{name}"]
    return min(size, max(2, round(size * float(parameters["scale"]))))


def _cells(parameters: Mapping[str, Any], name: str, sizes: Mapping[str, int]) -> Population:
    own = {key: parameters[f"{key}_{name}"] for key in _OF_CELL}
    own |= {"E_ex": parameters["E_ex"], "E_in": parameters["E_in"]}
    return Population(name, sizes[name], "lif_cond_exp", own, {"V_m": Uniform(own["V_reset"], own["V_th"])})


def _projection(
    parameters: Mapping[str, Any], name: str, sizes: Mapping[str, int], scaffold: Path | None
) -> Projection:
    source, target = PROJECTIONS[name]
    rule: ConnectionList | FixedTotalNumber
    if scaffold is None:
        # as many per target, however many targets there are
        rule = FixedTotalNumber(round(parameters[f"n_{name}"] * sizes[target] / parameters[f"N_{target}"]))
    else:
        rule = _listed(scaffold, name)
    return Projection(
        name=name,
        source=source,
        target=target,
        rule=rule,
        weight=parameters[f"g_{name}"],
        delay=parameters[f"delay_{name}"],
        receptor="inhibitory" if name in INHIBITORY else "excitatory",
    )


def _stimulus(parameters: Mapping[str, Any], size: int, scaffold: Path | None) -> SpikeEvents:
    begin, end = parameters["stimulus_begin"], parameters["stimulus_end"]
    onset = parameters["burst_onset"]
    offset = onset + parameters["burst_duration"]
    if not begin <= onset <= offset <= end:
        raise ParameterError(
            ("burst_onset", "burst_duration", "stimulus_begin", "stimulus_end"),
            f"the burst, {onset:g} to {offset:g} ms, must lie within the stimulus, {begin:g} to {end:g} ms",
        )
    place = None if scaffold is None else _distances(scaffold)
    if place is not None and place.size != size:
        raise NetworkError(f"{scaffold}: positions/{SOURCE} has {place.size} places for {size} glomeruli")
    if place is None:  # connections that are drawn know no places: one glomerulus is like another
        n_burst = round(parameters["burst_share"] * size)
    else:
        n_burst = int((place <= parameters["burst_radius"]).sum())
    times, order = _spikes(
        size,
        n_burst,
        (begin, onset, offset, end),
        (parameters["rate_background"], parameters["rate_burst"]),
        parameters["stimulus_seed"],
    )
    return SpikeEvents("stimulus", SOURCE, times, order if place is None else np.argsort(place, kind="stable")[order])


@lru_cache(maxsize=64)
def _spikes(
    size: int, n_burst: int, times: tuple[float, float, float, float], rates: tuple[float, float], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Draw Poisson trains: all at the background rate, but during the burst the first `n_burst` at its rate."""
    rng = np.random.default_rng(seed)
    begin, onset, offset, end = times
    background, burst = rates
    parts = (
        (0, size, begin, onset, background),
        (0, n_burst, onset, offset, burst),
        (n_burst, size, onset, offset, background),
        (0, size, offset, end, background),
    )
    found_times, found_neurons = [], []
    for first, last, since, until, rate in parts:
        number = rng.poisson((last - first) * (until - since) * rate * 1e-3)
        found_times.append(rng.uniform(since, until, number))
        found_neurons.append(rng.integers(first, last, number) if number else np.empty(0, dtype=np.int64))
    return np.concatenate(found_times), np.concatenate(found_neurons)


@lru_cache(maxsize=64)
def _listed(scaffold: Path, name: str) -> ConnectionList:
    with _opened(scaffold) as file:
        if f"connections/{name}" not in file:
            there = ", ".join(file["connections"]) if "connections" in file else "none"
            raise NetworkError(f"{scaffold}: has no connections/{name}; there are {there}")
        table = np.asarray(file[f"connections/{name}"])
    if table.ndim != 2 or table.shape[1] not in (2, 4):
        raise NetworkError(f"{scaffold}: connections/{name} must have 2 or 4 columns, not the shape {table.shape}")
    ends = table[:, :2].astype(np.int64)
    if table.shape[1] == 2:
        return ConnectionList(ends[:, 0], ends[:, 1])
    weights, delays = np.abs(table[:, 2]).astype(np.float64), table[:, 3].astype(np.float64)
    return ConnectionList(ends[:, 0], ends[:, 1], weights, delays)


@lru_cache(maxsize=8)
def _distances(scaffold: Path) -> NDArray[np.float64] | None:
    """Distance of each glomerulus from the middle of all in µm; None if the file says no places."""
    with _opened(scaffold) as file:
        if f"positions/{SOURCE}" not in file:
            return None
        places = np.asarray(file[f"positions/{SOURCE}"], dtype=np.float64)
    distances: NDArray[np.float64] = np.linalg.norm(places - places.mean(axis=0), axis=1)
    return distances


def _opened(path: Path) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise NetworkError(f"reading {path} needs h5py (pip install h5py): {error}") from error
    return h5py.File(path, "r")

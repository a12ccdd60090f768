"""How the cost of a simulation grows with the size of the network, and where it reaches real time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.opening.run import RunError
from analysis.timing.phases import biological_times

SYNAPSES_PER_PAIR = 0.308  # of the clustered network with 4:1 E and I neurons and its published probabilities
_NEAR_REAL_TIME = (0.7, 1.4)  # factors from which the crossing is taken
_N_RESAMPLES = 2000
_STRAIGHT = 1e-6  # share of the variance of synapses that a line over sizes leaves; draws and rounding make less


@dataclass(frozen=True)
class CostModel:
    """T_var/T_bio = a0 + a1·N + a2·S with S synapses.

    Parameters
    ----------
    coefficients : ndarray of float, shape (3,)
        a0; a1 per neuron; a2 per synapse.
    covariance : ndarray of float, shape (3, 3)
        Of the coefficients.
    low, high : ndarray of float, shape (3,)
        Ends of their confidence intervals.
    confidence : float
        Of the intervals.
    residuals : ndarray of float, shape (n,)
        (measured − fitted)/measured.
    """

    coefficients: NDArray[np.float64]
    covariance: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    confidence: float
    residuals: NDArray[np.float64]

    def factor(self, n_neurons: ArrayLike, n_synapses: ArrayLike | None = None) -> NDArray[np.float64]:
        """Return the real-time factor of networks; 0.308·N² synapses by default."""
        return _design(n_neurons, n_synapses) @ self.coefficients


@dataclass(frozen=True)
class TimeModel:
    """T = fixed + factor·T_bio: what a network costs however long it lives, and what each second of life adds.

    Parameters
    ----------
    fixed : float
        s.
    factor : float
        Dimensionless.
    fixed_interval, factor_interval : tuple of float
        Ends of their confidence intervals.
    """

    fixed: float
    factor: float
    fixed_interval: tuple[float, float]
    factor_interval: tuple[float, float]


@dataclass(frozen=True)
class Frontier:
    """The largest network that runs in real time.

    Parameters
    ----------
    n_neurons : float
        Where the real-time factor is 1.
    low, high : float
        Ends of its confidence interval; infinite where the measurements leave it open.
    n_measurements : int
        That it rests on.
    """

    n_neurons: float
    low: float
    high: float
    n_measurements: int


def variable_cost(table: pd.DataFrame) -> pd.Series:
    """Return T_var/T_bio: the wall time that grows with the biological time, per biological time.

    T_var is propagation plus fetching the spikes (``t_simulate + t_record``). Building, compiling and loading are
    fixed costs: they are paid once however long the network lives. T_bio includes the warm-up, which is propagated.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`.

    Returns
    -------
    pandas.Series of float
        Dimensionless; NaN where a row is not ok.
    """
    cost: pd.Series = (table["t_simulate"] + table["t_record"]) / biological_times(table)
    return cost.where(table["status"] == "ok").rename("variable_cost")


def fit_cost(
    n_neurons: ArrayLike, cost: ArrayLike, n_synapses: ArrayLike | None = None, confidence: float = 0.95
) -> CostModel:
    """Fit the cost of networks of different sizes on relative residuals.

    Minimises Σ((T − f)/T)² with f = a0 + a1·N + a2·S, as the study below: relative to what was measured, so that small
    networks count as much as large ones and the fit is linear. To divide by the fitted value instead, over and over,
    would be right for noise that scatters evenly: dividing by the measured one draws the fit down, by about the square
    of the relative noise (1 to 3 % where measurements scatter by 10 %, 5 to 11 % where they do by 20 %). Wall times do
    not scatter evenly: they have a floor, and now and then something delays a run. Such outliers weigh little here. In
    measurements made up from the study's coefficients, three of each of its sizes, one in twenty delayed by 20 % on
    average, the coefficients err by 0.55 to 0.7 of what they do if divided by the fitted value; both fits are then 2 %
    too high, which the intervals do not count. Up to 5 % of even noise the two cannot be told apart. Of NEST's
    published sizes a1 is the least certain: off by 19 % where measurements scatter by 10 %.

    Parameters
    ----------
    n_neurons : array_like, shape (n,)
        N.
    cost : array_like, shape (n,)
        T = T_var/T_bio, see `variable_cost`.
    n_synapses : array_like, shape (n,), optional
        S; 0.308·N² by default.
    confidence : float
        Of the intervals (Student's t).

    Returns
    -------
    CostModel

    Raises
    ------
    RunError
        If there are fewer than four measurements, fewer than three sizes, or a cost is not positive; if synapses go in
        proportion to neurons, so that a1 and a2 cannot be told apart.

    References
    ----------
    Schmitt, F. J., Rostami, V., & Nawrot, M. P. (2023). Efficient parameter calibration and real-time simulation of
    large-scale spiking neural networks with GeNN and NEST. Frontiers in Neuroinformatics 17.
    """
    sizes, measured = np.asarray(n_neurons, dtype=float), np.asarray(cost, dtype=float)
    if len(sizes) < 4 or len(np.unique(sizes)) < 3:
        raise RunError(f"fit_cost: needs four measurements of three sizes, got {len(sizes)} of {len(np.unique(sizes))}")
    if not (np.isfinite(measured) & (measured > 0)).all():
        raise RunError("fit_cost: every cost must be a positive number")
    design = _design(sizes, n_synapses)
    if _is_straight(sizes, design[:, 2]):
        raise RunError("fit_cost: synapses are in proportion to neurons, so the cost of either cannot be told apart")
    fit, scale = _fit_relative(design, measured)
    low, high = fit.conf_int(alpha=1 - confidence).T / scale
    covariance = fit.cov_params() / np.outer(scale, scale)
    return CostModel(fit.params / scale, covariance, low, high, confidence, fit.resid / measured)


def _is_straight(sizes: NDArray[np.float64], synapses: NDArray[np.float64]) -> bool:
    """Whether synapses lie on a straight line over sizes, but for the rounding of their numbers."""
    line = np.polyval(np.polyfit(sizes, synapses, 1), sizes)
    return bool(((synapses - line) ** 2).sum() <= _STRAIGHT * ((synapses - synapses.mean()) ** 2).sum())


def _fit_relative(design: NDArray[np.float64], measured: NDArray[np.float64]) -> Any:
    """Minimise Σ((measured − fitted)/measured)²: least squares with the weights 1/measured², by statsmodels."""
    from statsmodels.regression.linear_model import WLS

    # columns of the same magnitude, or the solver sees only the largest
    scale = np.abs(design / measured[:, None]).max(axis=0)
    return WLS(measured, design / scale, weights=measured**-2.0).fit(), scale


def fit_time(biological: ArrayLike, wall: ArrayLike, confidence: float = 0.95) -> TimeModel:
    """Part the wall time of a network into a fixed cost and one in proportion to the biological time.

    A straight line on relative residuals, as in `fit_cost`: a short simulation counts as much as a long one.

    Parameters
    ----------
    biological, wall : array_like, shape (n,)
        s, of simulations of one network.
    confidence : float
        Of the intervals (Student's t).

    Returns
    -------
    TimeModel

    Raises
    ------
    RunError
        If there are fewer than three measurements, fewer than two durations, or a time is not positive.
    """
    lived, measured = np.asarray(biological, dtype=float), np.asarray(wall, dtype=float)
    if len(lived) < 3 or len(np.unique(lived)) < 2:
        raise RunError(f"fit_time: needs three measurements of two durations, got {len(lived)}")
    if not (np.isfinite(measured) & (measured > 0)).all():
        raise RunError("fit_time: every wall time must be a positive number")
    fit, scale = _fit_relative(np.column_stack([np.ones_like(lived), lived]), measured)
    fixed, factor = (float(value) for value in fit.params / scale)
    ends = [(float(low), float(high)) for low, high in fit.conf_int(alpha=1 - confidence) / scale[:, None]]
    return TimeModel(fixed, factor, ends[0], ends[1])


def realtime_frontier(n_neurons: ArrayLike, factor: ArrayLike, confidence: float = 0.95, seed: int = 0) -> Frontier:
    """Find the largest network with a real-time factor of at most 1, by interpolation.

    A straight line through the measurements near real time (factors of 0.7 to 1.4, or else the nearest size on either
    side) crosses 1 at the frontier; the interval comes from resampling the residuals.

    Parameters
    ----------
    n_neurons, factor : array_like, shape (n,)
        Sizes, and measured real-time factors.
    confidence : float
        Of the interval.
    seed : int
        Of the resampling.

    Returns
    -------
    Frontier
        With two measurements the interval is what lies between them. NaN with an open interval where all
        measurements are on one side: nothing is extrapolated.
    """
    sizes, factors = np.asarray(n_neurons, dtype=float), np.asarray(factor, dtype=float)
    order = np.argsort(sizes, kind="stable")
    sizes, factors = sizes[order], factors[order]
    if not len(sizes) or (factors <= 1).all():
        return Frontier(np.nan, float(sizes.max(initial=0.0)), np.inf, len(sizes))
    if (factors > 1).all():
        return Frontier(np.nan, 0.0, float(sizes.min()), len(sizes))
    near = (factors >= _NEAR_REAL_TIME[0]) & (factors <= _NEAR_REAL_TIME[1])
    both_sides = (factors[near] <= 1).any() and (factors[near] > 1).any()
    if near.sum() < 4 or len(np.unique(sizes[near])) < 3 or not both_sides:
        below = sizes[factors <= 1].max()
        beyond = sizes[(factors > 1) & (sizes > below)]
        if not len(beyond):
            return Frontier(np.nan, float(sizes[factors > 1].min()), np.inf, len(sizes))
        above = beyond.min()
        pair = [float(np.median(factors[sizes == size])) for size in (below, above)]
        crossing = float(np.interp(1.0, pair, [below, above])) if pair[1] > pair[0] else (below + above) / 2
        return Frontier(crossing, float(below), float(above), 2)
    x, y = sizes[near], factors[near]
    slope, offset = np.polyfit(x, y, 1)
    residuals = (y - (slope * x + offset)) * np.sqrt(len(x) / (len(x) - 2))
    random = np.random.default_rng(seed)
    crossings = []
    for _ in range(_N_RESAMPLES):
        a, b = np.polyfit(x, slope * x + offset + random.choice(residuals, len(x)), 1)
        crossings.append((1 - b) / a if a > 0 else np.inf)
    low, high = np.quantile(crossings, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Frontier(float((1 - offset) / slope), float(low), float(high), len(x))


@dataclass(frozen=True)
class Costs:
    """What networks of different sizes cost on one simulator.

    Parameters
    ----------
    n_neurons, n_synapses, cost : ndarray of float, shape (n,)
        Of each ok row; the cost is T_var/T_bio.
    model : CostModel or None
        Fitted, if there are enough sizes.
    frontier : Frontier
        The largest network in real time.
    """

    n_neurons: NDArray[np.float64]
    n_synapses: NDArray[np.float64]
    cost: NDArray[np.float64]
    model: CostModel | None
    frontier: Frontier


def costs_by_simulator(table: pd.DataFrame) -> dict[str, Costs]:
    """Fit the cost of the ok rows against their size, and find the frontier, by simulator.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run` or `open_runs`.
    """
    found = {}
    cost = variable_cost(table)
    rows = table[(cost > 0).to_numpy()]
    for name, part in rows.groupby("configuration", observed=True, sort=False):
        sizes, synapses = (part[key].to_numpy(dtype=np.float64) for key in ("n_neurons", "n_synapses"))
        own = cost[part.index].to_numpy(dtype=np.float64)
        try:
            model = fit_cost(sizes, own, synapses)
        except RunError:  # too few sizes
            model = None
        found[str(name)] = Costs(sizes, synapses, own, model, realtime_frontier(sizes, own))
    return found


def _design(n_neurons: ArrayLike, n_synapses: ArrayLike | Sequence[float] | None) -> NDArray[np.float64]:
    sizes = np.atleast_1d(np.asarray(n_neurons, dtype=float))
    synapses = SYNAPSES_PER_PAIR * sizes**2 if n_synapses is None else np.asarray(n_synapses, dtype=float)
    return np.column_stack([np.ones_like(sizes), sizes, np.broadcast_to(synapses, sizes.shape)])

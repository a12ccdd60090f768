"""How the cost of a simulation grows with the size of the network, and where it reaches real time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

from analysis.run import RunError, run_of

SYNAPSES_PER_PAIR = 0.308  # of the clustered network with 4:1 E and I neurons and its published probabilities
_NEAR_REAL_TIME = (0.7, 1.4)  # factors from which the crossing is taken
_N_RESAMPLES = 2000


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
        (measured − fitted)/fitted.
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
    simulation = run_of(table).metadata["simulation"]
    biology = (simulation["warmup"] + simulation["duration"]) * 1e-3
    cost: pd.Series = (table["t_simulate"] + table["t_record"]) / biology
    return cost.where(table["status"] == "ok").rename("variable_cost")


def fit_cost(
    n_neurons: ArrayLike, cost: ArrayLike, n_synapses: ArrayLike | None = None, confidence: float = 0.95
) -> CostModel:
    """Fit the cost of networks of different sizes on relative residuals.

    Minimises Σ((T − f)/f)² with f = a0 + a1·N + a2·S: small networks count as much as large ones.

    Parameters
    ----------
    n_neurons : array_like, shape (n,)
        N.
    cost : array_like, shape (n,)
        T = T_var/T_bio, see `variable_cost`.
    n_synapses : array_like, shape (n,), optional
        S; 0.308·N² by default.
    confidence : float
        Of the intervals (Student's t on the linearised model).

    Returns
    -------
    CostModel

    Raises
    ------
    RunError
        If there are fewer than four measurements, fewer than three sizes, or a cost is not positive.

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
    # columns of the same magnitude, or the solver sees only the largest
    scale = np.abs(design / measured[:, None]).max(axis=0)
    scaled = design / scale
    start = np.linalg.lstsq(scaled / measured[:, None], np.ones_like(measured), rcond=None)[0]

    def residuals(coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
        fitted = scaled @ coefficients
        relative: NDArray[np.float64] = (measured - fitted) / fitted
        return relative

    solution = optimize.least_squares(residuals, start, xtol=1e-12, ftol=1e-12)
    degrees = len(measured) - 3
    jacobian = np.asarray(solution.jac, dtype=np.float64)
    variance = float(np.sum(solution.fun**2)) / degrees
    covariance = variance * np.linalg.inv(jacobian.T @ jacobian) / np.outer(scale, scale)
    coefficients = solution.x / scale
    half = float(stats.t.ppf((1 + confidence) / 2, degrees)) * np.sqrt(np.diag(covariance))
    return CostModel(coefficients, covariance, coefficients - half, coefficients + half, confidence, solution.fun)


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


def _design(n_neurons: ArrayLike, n_synapses: ArrayLike | Sequence[float] | None) -> NDArray[np.float64]:
    sizes = np.atleast_1d(np.asarray(n_neurons, dtype=float))
    synapses = SYNAPSES_PER_PAIR * sizes**2 if n_synapses is None else np.asarray(n_synapses, dtype=float)
    return np.column_stack([np.ones_like(sizes), sizes, np.broadcast_to(synapses, sizes.shape)])

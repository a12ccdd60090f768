"""Maps that seeds shift as a whole: the shift of each seed and the height of each point, some of them missing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def take_levels(maps: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Part values into the shift of their map and the height of their point, by least squares on their sum.

    With every value there, shifts are means over points, and heights means over maps. Where values are missing, a map
    that lacks the high points is no low map.

    Parameters
    ----------
    maps : ndarray of float, shape (n_maps, n_points)
        NaN where there is no value; every point has one.

    Returns
    -------
    shift : ndarray of float, shape (n_maps,)
        Of each map, about the mean of all of them; where maps have no point in common, the smallest that fits.
    height : ndarray of float, shape (n_points,)
        Of each point.
    """
    known = np.isfinite(maps)
    values, weight = np.nan_to_num(maps), 1.0 / known.sum(axis=0)
    # the normal equations of the maps, once the heights of the points are put in
    matrix = np.diag(known.sum(axis=1).astype(float)) - (known * weight) @ known.T
    right = (values - known * (values.sum(axis=0) * weight)).sum(axis=1)
    shift = np.linalg.lstsq(matrix, right, rcond=None)[0]
    shift = shift - shift.mean() if len(shift) else shift
    height = (values - known * shift[:, None]).sum(axis=0) * weight
    return shift, height

"""Prototypes that no row can activate, because of the weights of the others."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.spatial.distance import cdist

from sklearn_kmex._data.arrays import to_numpy
from sklearn_kmex._model.rule import Rule
from sklearn_kmex._model.similarity import relative_similarities

# Relative lead by which a prototype must be able to win.
LEAST_LEAD = 1e-9


def unreachable(rule: Rule, among: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return those of some prototypes that no point activates.

    A difference of two log similarities is largest at the prototype of the first, so
    that a prototype that does not win there wins nowhere. Gaussian similarities differ
    by linear functions, which need not be largest there.
    """
    points = to_numpy(rule.prototypes).astype(np.float64)
    places = rule.metric.place(points, points.mean(axis=0))
    squares = cdist(places[among], places, "sqeuclidean")
    own = squares.min(axis=1, keepdims=True)
    weighted = relative_similarities(squares, rule.similarity, rule.epsilon, own)
    weighted += rule.shift
    lost = among[weighted.argmax(axis=1) != among]
    if rule.similarity == "gaussian":
        lost = [k for k in lost if not _wins_somewhere(places, rule.shift, k)]
    return np.asarray(lost, dtype=np.intp)


def _wins_somewhere(places: NDArray, shift: NDArray, k: int) -> bool:
    """Tell whether -|x - place|^2 / 2 + shift is the largest for k at some point x.

    The largest lead at any point, up to 1, is found by a linear program.
    """
    apart = np.delete(places, k, axis=0) - places[k]
    apart = np.linalg.svd(apart, full_matrices=False)
    apart = apart.U * apart.S  # the same products, in fewer columns
    scale = np.abs(apart).max() or 1.0
    apart /= scale
    added = np.delete(shift, k) - shift[k]
    leads = (apart**2).sum(axis=1) / 2 - added / scale**2
    n_columns = apart.shape[1]
    found = linprog(
        np.append(np.zeros(n_columns), -1.0),
        np.column_stack([apart, np.ones(len(apart))]),
        leads,
        bounds=[(None, None)] * n_columns + [(None, 1.0)],
    )
    return bool(found.status != 0 or -found.fun > LEAST_LEAD)

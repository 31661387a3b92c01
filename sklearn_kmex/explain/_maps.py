"""Relevance maps of an explanation: given, or computed from the network."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._data.samples import as_array, len_of, stacked
from sklearn_kmex._model.functions import check_takes
from sklearn_kmex.exceptions import KMExWarning
from sklearn_kmex.explain._network import network_inputs
from sklearn_kmex.explain._relevance import relevance
from sklearn_kmex.explain._settings import METHODS


def explained_maps(
    given: Any, psem: Any, X: Any, prototypes: NDArray[np.intp]
) -> dict[str, Any]:
    """Return the maps given, or compute those of the margin and of prototypes."""
    if given is None or given is False:
        return {}
    if given is True or isinstance(given, str):
        function = relevance if given is True else _by_method(given)
        return _computed(function, psem, X, prototypes)
    if callable(given):
        check_takes(given, "relevance", "prototypes")
        given = given(psem, X, prototypes=prototypes)
    return {"relevance": _check_maps(given, len(prototypes))}


def _computed(
    function: Callable, psem: Any, X: Any, prototypes: NDArray[np.intp]
) -> dict[str, Any]:
    """Compute a map of the decision, and maps that tell prototypes apart.

    The input of the network is kept if maps do not have the shape of samples, as after
    a function that resizes them. That their sums are off does not matter, as they are
    only shown.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Maps do not sum", KMExWarning)
        maps = function(psem, X, "margin")
        apart = function(psem, X, "margin", prototypes=prototypes)
    samples = stacked(X, range(len_of(X)))
    fits = samples is not None and samples.shape == maps.shape
    return {
        "relevance": maps,
        "relevance_of": "margin",
        "prototype_relevance": apart,
        "inputs": None if fits else network_inputs(psem, X),
    }


def _by_method(method: str) -> Callable:
    """Return the function that computes maps by the method of this name."""
    names = [name for name in METHODS if not name.endswith("_box")]  # without bounds
    if method not in names:
        raise ValueError(
            f"relevance must be True, an array, a function, or the name of a method, "
            f"one of {names}; got {method!r}. For other settings pass "
            "functools.partial(relevance, ...)."
        )
    return partial(relevance, method=method)


def _check_maps(given: Any, n_samples: int) -> NDArray:
    maps = np.asarray(as_array(given))
    if maps.ndim < 2 or len(maps) != n_samples:
        raise ValueError(
            "relevance must have a map for each sample, in an array of shape "
            f"({n_samples}, ...); got shape {maps.shape}."
        )
    return maps

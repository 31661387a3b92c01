"""Checks of what a relevance map explains, and of the settings of its method."""

import warnings
from itertools import product
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from sklearn_kmex._compat import HasMethods, Interval, StrOptions
from sklearn_kmex._data.brief import brief
from sklearn_kmex._model.decision import Decision
from sklearn_kmex._model.labels import class_codes
from sklearn_kmex._model.steps import predict
from sklearn_kmex.exceptions import KMExWarning

if TYPE_CHECKING:
    from sklearn_kmex._torch.attribution import Maps
    from sklearn_kmex._torch.gradients import Method

LRP = [
    "".join(parts)
    for parts in product(
        ("epsilon", "epsilon_plus", "epsilon_alpha2_beta1"),
        ("", "_cp"),
        ("", "_flat", "_box"),
    )
]
METHODS = [*LRP, "gradient_x_input", "integrated_gradients", "smoothgrad", "occlusion"]
SETTINGS = {
    "method": [StrOptions(set(METHODS)), HasMethods(["register", "module_map"]), None],
    "bounds": ["array-like", None],
    "baseline": [Real, "array-like"],
    "n_steps": [Interval(Integral, 1, None, closed="left")],
    "noise": [Interval(Real, 0, None, closed="neither")],
    "window": [Interval(Integral, 1, None, closed="left"), None],
    "batch_size": [Interval(Integral, 1, None, closed="left")],
    "random_state": ["random_state"],
}


MAX_LOST = 0.05  # share of the relevance that maps lose without a warning
# Settings of a method, in the order of make_method.
METHOD_SETTINGS = [
    "method", "bounds", "baseline", "n_steps", "noise", "window", "random_state"
]  # fmt: skip


def as_seed(random_state: Any) -> int:
    """Return a seed; drawn once, it gives the same numbers in several calls."""
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def make_method(
    method: Any = None,
    bounds: Any = None,
    baseline: Any = 0.0,
    n_steps: int = 20,
    noise: float = 0.1,
    window: int | None = None,
    random_state: Any = None,
) -> "Method":
    """Make a method of attribution from its settings, after checking them."""
    from sklearn_kmex._torch.gradients import Method

    if str(method).endswith("_box") != (bounds is not None):
        raise ValueError(
            'bounds must be given for the methods that end in "_box", and only for '
            f"these, as (low, high) of the inputs; got {bounds!r} for {method!r}."
        )
    if bounds is not None:
        bounds = _check_bounds(bounds)
    baseline = _check_numbers(baseline, "baseline")
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    return Method(method, bounds, baseline, n_steps, noise, window, seed)


def _check_bounds(bounds: Any) -> tuple[NDArray, NDArray]:
    """Return the smallest and the largest value of an input as arrays."""
    if len(bounds) != 2:
        raise ValueError(
            f"bounds must be a pair, (low, high); got {len(bounds)} values."
        )
    low, high = (_check_numbers(bound, "bounds") for bound in bounds)
    if np.any(low >= high):
        raise ValueError(f"bounds must be (low, high) with low < high; got {bounds!r}.")
    return low, high


def _check_numbers(value: Any, name: str) -> NDArray[np.float64]:
    try:
        numbers = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.array(np.nan)
    if not np.isfinite(numbers).all():
        raise ValueError(
            f"{name} must be made of finite numbers, or of arrays of finite numbers "
            f"that broadcast to a sample; got {value!r}."
        )
    return numbers


def find_target(target: str | None, rule: Any, labels: Any, prototypes: Any) -> str:
    """Return the target; refuse what it has no use for.

    The margin of prototypes over other prototypes is "lead".
    """
    if target is None:
        target = "class" if prototypes is None else "similarity"
    if rule == "neuralized" and target == "similarity":
        raise ValueError(
            'rule="neuralized" explains the margin of a class, not a similarity; use '
            'rule="prp", or target="margin".'
        )
    if target == "margin" and prototypes is not None and labels is None:
        if rule == "prp":
            raise ValueError(
                'rule="prp" explains similarities, not the margin of prototypes over '
                'others; leave it out, or use target="similarity".'
            )
        return "lead"
    name, given = "labels", labels
    if target != "similarity":
        name, given = "prototypes", prototypes
    if given is not None:
        raise ValueError(
            f"{name} must be None for target={target!r}: labels select what "
            'target="class" and target="margin" explain, prototypes what '
            'target="similarity" and, without labels, target="margin" explain.'
        )
    return target


def prototype_ids(prototypes: ArrayLike | None, decision: Decision) -> NDArray[np.intp]:
    """Return the prototypes to explain, (n_samples,) or (n_samples, n_maps)."""
    n_samples, n_prototypes = decision.similarities.shape
    if prototypes is None:
        return decision.nearest_of(decision.predicted)
    ids = np.asarray(prototypes)
    if ids.ndim == 0:
        ids = np.full(n_samples, ids)
    is_shaped = ids.ndim <= 2 and len(ids) == n_samples and ids.size
    if ids.dtype.kind not in "iu" or not is_shaped:
        raise ValueError(
            f"prototypes must be an int or ints of shape ({n_samples},) or "
            f"({n_samples}, n_maps); got an array of shape {ids.shape} and dtype "
            f"{ids.dtype}."
        )
    if not 0 <= ids.min() <= ids.max() < n_prototypes:
        raise ValueError(
            f"prototypes must be indices of prototypes_, from 0 to {n_prototypes - 1}; "
            f"got {ids.min()} to {ids.max()}."
        )
    return ids.astype(np.intp)


def check_labels_shape(labels: ArrayLike, n_samples: int, name: str) -> NDArray:
    """Return one label, or one for each sample, as an array."""
    given = np.asarray(labels)
    if given.ndim and given.shape != (n_samples,):
        raise ValueError(
            f"{name} must be one label, or one for each of {n_samples} samples; got "
            f"an array of shape {given.shape}."
        )
    return given


def explained_codes(
    psem: Any, X: Any, labels: ArrayLike | None, classes: NDArray
) -> NDArray[np.intp]:
    """Return the codes of the labels to explain, one for each sample."""
    n_samples = len(X)
    labels = predict(psem, X) if labels is None else labels
    given = check_labels_shape(labels, n_samples, "labels")
    unknown = given[~np.isin(given, classes)].ravel()
    if len(unknown):
        raise ValueError(
            f"labels must be among the classes {brief(classes)}; got "
            f"{unknown[0].item()!r}."
        )
    return np.broadcast_to(class_codes(classes, given), n_samples).copy()


def warn_if_lost(maps: "Maps") -> None:
    """Warn of maps that do not sum to what they explain, and tell by how much.

    A composite of the user may share relevance as it likes. Maps that are zero
    everywhere have a warning of their own.
    """
    has_any = maps.values.reshape(len(maps.values), -1).any(axis=1)
    off = maps.lost.reshape(len(maps.lost), -1).max(axis=1) * has_any
    method, worst, n_rows = maps.method, off.argmax(), np.count_nonzero(off > MAX_LOST)
    if not n_rows or not isinstance(method, str):
        return
    layers, instead = "linear layers", ""
    softmax = "" if "_cp" in method else ", the softmax of attention"
    if "_plus" not in method and "_alpha" not in method:
        layers = "all layers"
        instead = '"epsilon_plus", by which biases of convolutions get none, or '
    warnings.warn(
        f"Maps do not sum to what they explain for {n_rows} of {len(off)} rows: up to "
        f"{100 * off[worst]:.3g} % of the relevance is lost or added (row {worst}), "
        f"since with {method!r} biases of {layers}{softmax} and constants such as "
        "padding take a share. Compare the values of a map, not its sum, or use "
        f'{instead}"integrated_gradients".',
        KMExWarning,
        stacklevel=4,
    )


def warn_if_zero(maps: NDArray) -> NDArray:
    """Warn of maps that are zero everywhere; return all maps."""
    zero = np.flatnonzero(~maps.reshape(len(maps), -1).any(axis=1))
    if len(zero):
        more = ", ..." if len(zero) > 5 else ""
        warnings.warn(
            f"Relevance is zero everywhere for rows {', '.join(map(str, zero[:5]))}"
            f"{more}: no input value contributes to the score. Try another method or "
            "baseline.",
            KMExWarning,
            stacklevel=4,
        )
    return maps

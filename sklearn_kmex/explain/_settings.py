"""What is asked of relevance maps: classes, prototypes and settings, checked."""

import warnings
from itertools import product
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from sklearn_kmex._compat import HasMethods, Interval, StrOptions
from sklearn_kmex._model.steps import predict
from sklearn_kmex.exceptions import KMExWarning

if TYPE_CHECKING:
    from sklearn_kmex._torch.gradients import Method

LRP = [
    "".join(parts)
    for parts in product(
        ("epsilon", "epsilon_plus", "epsilon_alpha2_beta1"), ("", "_flat", "_box")
    )
]
METHODS = [*LRP, "gradient_x_input", "integrated_gradients", "smoothgrad", "occlusion"]
SETTINGS = {
    "method": [StrOptions(set(METHODS)), HasMethods(["register", "module_map"])],
    "bounds": ["array-like", None],
    "baseline": [Real, "array-like"],
    "n_steps": [Interval(Integral, 1, None, closed="left")],
    "noise": [Interval(Real, 0, None, closed="neither")],
    "window": [Interval(Integral, 1, None, closed="left"), None],
    "batch_size": [Interval(Integral, 1, None, closed="left")],
    "random_state": ["random_state"],
}


def settings(
    method: Any = "epsilon_plus_flat",
    bounds: Any = None,
    baseline: Any = 0.0,
    n_steps: int = 20,
    noise: float = 0.1,
    window: int | None = None,
    random_state: Any = None,
) -> "Method":
    """Put the settings of a method together, checked against each other."""
    from sklearn_kmex._torch.gradients import Method

    if str(method).endswith("_box") != (bounds is not None):
        raise ValueError(
            'bounds must be given for the methods that end in "_box", and for these '
            f"alone, as (low, high) of the inputs; got {bounds!r} for {method!r}."
        )
    if bounds is not None:
        bounds = check_bounds(bounds)
    baseline = check_numbers(baseline, "baseline")
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    return Method(method, bounds, baseline, n_steps, noise, window, seed)


def check_bounds(bounds: Any) -> tuple[NDArray, NDArray]:
    """Return the least and the greatest value of an input as arrays."""
    if len(bounds) != 2:
        raise ValueError(
            f"bounds must be a pair, (low, high); got {len(bounds)} of them."
        )
    low, high = (check_numbers(bound, "bounds") for bound in bounds)
    if np.any(low >= high):
        raise ValueError(f"bounds must be (low, high), low < high; got {bounds!r}.")
    return low, high


def check_numbers(value: Any, name: str) -> NDArray[np.float64]:
    try:
        numbers = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.array(np.nan)
    if not np.isfinite(numbers).all():
        raise ValueError(
            f"{name} must be made of finite numbers, or of arrays of them that "
            f"broadcast to a sample; got {value!r}."
        )
    return numbers


def check_question(target: str, rule: Any, labels: Any, prototypes: Any) -> None:
    """Refuse what a target has no use for."""
    if rule == "neuralized" and target == "similarity":
        raise ValueError(
            'rule="neuralized" explains the lead of a class, not a similarity; use '
            'rule="prp", or target="margin".'
        )
    name, given = "labels", labels
    if target != "similarity":
        name, given = "prototypes", prototypes
    if given is not None:
        raise ValueError(
            f"{name} must be None for target={target!r}: labels choose what "
            'target="class" and "margin" explain, and prototypes what '
            'target="similarity" does.'
        )


def prototype_ids(prototypes: ArrayLike | None, similar: NDArray) -> NDArray[np.intp]:
    """Prototypes to explain, (n_samples,) or (n_samples, n_maps)."""
    n_samples, n_prototypes = similar.shape
    if prototypes is None:
        return similar.argmax(axis=1)
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
            f"prototypes must be places in prototypes_, from 0 to {n_prototypes - 1}; "
            f"got {ids.min()} to {ids.max()}."
        )
    return ids.astype(np.intp)


def class_codes(
    psem: Any, X: Any, labels: ArrayLike | None, classes: NDArray
) -> NDArray[np.intp]:
    """Places in `classes_` of the labels to explain, one for each sample."""
    given = np.asarray(predict(psem, X) if labels is None else labels)
    n_samples = len(X)
    unknown = given[~np.isin(given, classes)].ravel()
    if given.ndim and given.shape != (n_samples,):
        raise ValueError(
            f"labels must be one label or one for each of {n_samples} samples; got an "
            f"array of shape {given.shape}."
        )
    if len(unknown):
        raise ValueError(
            f"labels must be among the classes {classes.tolist()}; got "
            f"{unknown[0].item()!r}."
        )
    return np.broadcast_to(np.searchsorted(classes, given), n_samples).copy()


def say_if_zero(maps: NDArray) -> NDArray:
    """Warn of maps without relevance, which compare to nothing."""
    zero = np.flatnonzero(~maps.reshape(len(maps), -1).any(axis=1))
    if len(zero):
        more = ", ..." if len(zero) > 5 else ""
        warnings.warn(
            f"Relevance is zero everywhere for rows {', '.join(map(str, zero[:5]))}"
            f"{more}: nothing in them reaches the score. Another method or baseline "
            "may tell more.",
            KMExWarning,
            stacklevel=3,
        )
    return maps

"""What holds of every fitted classifier, asked of one that comes from a file."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex import KMExClassifier
from sklearn_kmex._protocol import find_sem
from sklearn_kmex.persistence._refusal import Refusal


def check_loaded(psem: Any) -> None:
    """Refuse a model whose classifier could not have come out of `fit`."""
    kmex = find_sem(psem)
    if not isinstance(kmex, KMExClassifier):
        raise Refusal(f"it ends in {type(kmex).__name__}, which is no KMExClassifier")
    kmex._validate_params()
    wrong = [name for name, holds in invariants(kmex).items() if not holds]
    if wrong:
        raise Refusal(f"its {', '.join(wrong)} cannot be of a fitted classifier")


def invariants(kmex: KMExClassifier) -> dict[str, bool]:
    """Say of each fitted attribute that decides whether it is possible."""
    n_classes, n_total = len(kmex.classes_), len(kmex.prototypes_)
    counts, of_class = kmex.n_prototypes_, (n_classes,)
    rows = (n_total, kmex.n_features_in_)
    distinct = len(set(kmex.classes_.tolist())) == n_classes
    counted = counts.dtype.kind == "i" and counts.shape == of_class
    counted = counted and bool((counts >= 0).all()) and counts.sum() == n_total
    return {
        "prototypes_": is_finite(kmex.prototypes_, rows),
        "_member_means": is_finite(kmex._member_means, rows),
        "_nearest_rows": is_finite(kmex._nearest_rows, rows),
        "inertia_": is_finite(kmex.inertia_, of_class),
        "classes_": kmex.classes_.ndim == 1 and n_classes > 1 and distinct,
        "n_prototypes_": counted,
        "prototype_classes_": counted
        and np.array_equal(kmex.prototype_classes_, np.repeat(kmex.classes_, counts)),
        "prototype_counts_": is_finite(kmex.prototype_counts_, (n_total,)),
        "prototype_indices_": kmex.prototype_indices_.shape == (n_total,)
        and kmex.prototype_indices_.dtype.kind == "i",
        "class_prior_": is_finite(kmex.class_prior_, of_class),
        "temperature_": isinstance(kmex.temperature_, float)
        and 0 < kmex.temperature_ < np.inf,
    }


def is_finite(values: NDArray, shape: tuple[int, ...]) -> bool:
    floats = values.dtype in (np.float32, np.float64)
    return floats and values.shape == shape and bool(np.isfinite(values).all())

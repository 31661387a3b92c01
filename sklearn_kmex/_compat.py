"""Private names of scikit-learn, and differences between its versions.

No other file may use either.
"""

import copy
import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.base import BaseEstimator, _fit_context
from sklearn.model_selection._search import BaseSearchCV
from sklearn.tree._tree import Tree
from sklearn.utils import _safe_indexing
from sklearn.utils._array_api import (
    _convert_to_numpy,
    _max_precision_float_dtype,
)
from sklearn.utils._array_api import get_namespace_and_device as _namespace_and_device
from sklearn.utils._indexing import _get_column_indices
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    RealNotInt,
    StrOptions,
    validate_parameter_constraints,
    validate_params,
)
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.parallel import (
    _get_threadpool_controller,
    _threadpool_controller_decorator,
)
from sklearn.utils.validation import (
    _check_feature_names_in,
    _check_method_params,
    _check_sample_weight,
)

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # before scikit-learn 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Replaces the mixin in versions without callbacks."""


try:
    from sklearn.utils._array_api import check_same_namespace
except ImportError:  # before scikit-learn 1.9

    def check_same_namespace(
        X: Any, estimator: Any, *, attribute: str, method: str
    ) -> None:
        """Do nothing; operations on arrays of two libraries raise an error anyway."""


__all__ = [
    "BaseSearchCV",
    "CALLBACK_STATE",
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "RealNotInt",
    "RemembersNames",
    "StrOptions",
    "Tree",
    "_check_feature_names_in",
    "_check_method_params",
    "_check_sample_weight",
    "_convert_to_numpy",
    "_get_column_indices",
    "_fit_context",
    "_max_precision_float_dtype",
    "_safe_indexing",
    "check_same_namespace",
    "few_blas_threads",
    "fit_request",
    "get_namespace_and_device",
    "has_callbacks",
    "histogram_apply",
    "histogram_columns",
    "histogram_input",
    "histogram_nodes",
    "histogram_trees",
    "one_blas_thread",
    "one_hot_codes",
    "open_fit_task",
    "selected_columns",
    "share_callbacks",
    "validate_parameter_constraints",
    "validate_params",
]

# Decorates functions of products of small matrices, which several threads slow down,
# most of all where other programs run.
one_blas_thread = _threadpool_controller_decorator(limits=1, user_api="blas")
# Values up to which one thread is faster, or hardly slower.
FEW_VALUES = 2**20

# Attributes by which `_fit_context` tears callbacks down after `fit`.
CALLBACK_STATE = ("_callback_fit_ctx", "_skl_callbacks_to_teardown")


def get_namespace_and_device(array: Any) -> tuple[Any, bool, Any]:
    """Return the namespace of an array, whether it is the array API, and the device.

    That of scikit-learn takes as long as a product of small matrices.
    """
    if type(array) is np.ndarray:
        return _of_numpy()
    return _namespace_and_device(array)


def few_blas_threads(X: Any) -> Any:
    """Return a context manager that limits BLAS to one thread if X is small."""
    limits = 1 if math.prod(X.shape) <= FEW_VALUES else None
    return _get_threadpool_controller().limit(limits=limits, user_api="blas")


@functools.cache
def _of_numpy() -> tuple[Any, bool, Any]:
    with config_context(array_api_dispatch=False):
        return _namespace_and_device(np.empty(0))


class RemembersNames(BaseEstimator):
    """Reads the names of its parameters once: it takes as long as their validation."""

    @classmethod
    @functools.cache
    def _get_param_names(cls) -> list[str]:
        return super()._get_param_names()


def has_callbacks(estimator: Any) -> bool:
    """Return whether the estimator has callbacks."""
    return bool(getattr(estimator, "_skl_callbacks", None))


def share_callbacks(estimator: Any, twin: Any) -> Any:
    """Give a clone the callbacks and output settings, as scikit-learn does."""
    if hasattr(estimator, "_sklearn_output_config"):
        twin._sklearn_output_config = dict(estimator._sklearn_output_config)
    if has_callbacks(estimator):
        twin.set_callbacks(*estimator._skl_callbacks)
    return twin


def fit_request(estimator: Any, name: str) -> bool | str | None:
    """Return whether `fit` of an estimator requests metadata; None is undecided."""
    routing = get_routing_for_object(estimator)
    own = getattr(getattr(routing, "_self_request", routing), "fit", None)
    return None if own is None else own.requests.get(name)


def open_fit_task(estimator: Any, n_subtasks: int) -> Any:
    """Set callbacks up; `_fit_context` tears them down after the fit."""
    return estimator._init_callback_context(max_subtasks=n_subtasks)


def selected_columns(transformer: Any) -> dict[str, Any]:
    """Return the positions of the columns of each part of a ColumnTransformer."""
    return transformer._transformer_to_input_indices


def one_hot_codes(encoder: Any) -> Iterator[tuple[int, Any, Any, Any, int]]:
    """Yield how a fitted OneHotEncoder encodes each feature.

    These are the number of categories, the infrequent ones or None, a code for each or
    None, the code that has no column or None, and the number of columns.
    """
    nothing = [None] * len(encoder.categories_)
    grouped, dropped = encoder._infrequent_enabled, encoder._drop_idx_after_grouping
    yield from zip(
        map(len, encoder.categories_),
        encoder._infrequent_indices if grouped else nothing,
        encoder._default_to_infrequent_mappings if grouped else nothing,
        nothing if dropped is None else dropped.tolist(),
        encoder._n_features_outs,
        strict=True,
    )


def histogram_nodes(ensemble: Any) -> list[NDArray]:
    """Return the nodes of each tree of a HistGradientBoosting model."""
    return [tree.nodes for tree in histogram_trees(ensemble)]


def histogram_trees(ensemble: Any) -> list[Any]:
    """Return the trees of a HistGradientBoosting model."""
    return [tree for iteration in ensemble._predictors for tree in iteration]


def histogram_input(ensemble: Any, X: Any) -> NDArray[np.float64]:
    """Return rows as the trees of a HistGradientBoosting model take them."""
    return ensemble._preprocess_X(X, reset=False)


def histogram_columns(ensemble: Any) -> NDArray[np.intp]:
    """Return the column of X of each feature of a HistGradientBoosting model.

    Categorical columns come first among its features.
    """
    categorical = ensemble.is_categorical_
    if categorical is None:
        return np.arange(ensemble.n_features_in_)
    return np.argsort(~np.asarray(categorical), kind="stable")


def histogram_apply(ensemble: Any, X: NDArray) -> NDArray[np.intp]:
    """Return the node of each row in each tree.

    A HistGradientBoosting model has no `apply`. Copies of its trees are used, in which
    each node predicts its own number.
    """
    X = histogram_input(ensemble, X)
    known = ensemble._bin_mapper.make_known_categories_bitsets()
    found = []
    for tree in histogram_trees(ensemble):
        numbered = copy.copy(tree)
        numbered.nodes = tree.nodes.copy()
        numbered.nodes["value"] = np.arange(len(tree.nodes))
        found.append(numbered.predict(X, *known, n_threads=1).astype(np.intp))
    return np.stack(found, axis=1)

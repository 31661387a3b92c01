"""drop_prototypes: remove prototypes from a model."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist

from sklearn_kmex.edit._check import check_class_remains, check_ids, find_editable
from sklearn_kmex.edit._state import combine, read_prototypes
from sklearn_kmex.edit._trail import Edit, apply_edit


def drop_prototypes(
    psem: Any,
    prototypes: ArrayLike,
    *,
    reason: str | None = None,
    X_val: Any = None,
    y_val: ArrayLike | None = None,
) -> Any:
    """Remove prototypes from a model.

    The remaining prototypes decide in their place, in the same metric. The training
    samples of a removed prototype are assigned to the prototype of the same class
    nearest to their mean, so that class frequencies do not change. As in `fit`, this
    distance is the Euclidean one, between samples of length one if the metric is a
    cosine one; with `priors="prototype"`, that prototype also gets their weight.

    Read more in the :ref:`User Guide <edit>`.

    Parameters
    ----------
    psem : estimator
        Fitted `KMExClassifier`, a :class:`~sklearn.pipeline.Pipeline` that ends in one,
        or a fitted search over one of these. It is not changed. In the copy of a
        search, `best_estimator_` is edited; its scores, such as `best_score_` and
        `cv_results_`, stay those of the unedited model.

    prototypes : int or array-like of int
        Numbers of the prototypes to drop. Each class must keep at least one.

    reason : str, default=None
        Reason for the edit, for the log.

    X_val : array-like of shape (n_samples, n_features) or (n_samples, ...), \
            default=None
        Samples, as `psem` takes them, to measure the accuracy before and after the
        edit, for the log. None measures nothing.

    y_val : array-like of shape (n_samples,), default=None
        Their labels.

    Returns
    -------
    estimator
        The edited copy of `psem`, with one more entry in the `edit_log_` of its
        classifier.

    Raises
    ------
    TypeError
        If there is no `KMExClassifier` in `psem`, or it is a
        :class:`~sklearn_kmex.RejectingClassifier`, whose thresholds would no longer
        hold.

    ValueError
        If a number is not that of a prototype, or a class would have no prototype
        left.

    See Also
    --------
    merge_prototypes : Replace several prototypes by one.
    sklearn_kmex.metrics.audit : Find suspect prototypes and labels.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.edit import drop_prototypes
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(2, random_state=0).fit(X, y)
    >>> edited = drop_prototypes(psem, 3, reason="unlike the class", X_val=X, y_val=y)
    >>> edited.n_prototypes_.tolist(), psem.n_prototypes_.tolist()
    ([2, 1, 2], [2, 2, 2])
    >>> edited.edit_log_[0]["reason"]
    'unlike the class'
    """
    sem = find_editable(psem)
    state = read_prototypes(sem)
    ids = check_ids(prototypes, state)
    check_class_remains(ids, state, "Keep one of them, or fit again without the class.")
    distances = cdist(state.means[ids], state.vectors)
    distances[state.labels[ids][:, np.newaxis] != state.labels] = np.inf
    distances[:, ids] = np.inf
    into = np.arange(len(state.ids))
    into[ids] = distances.argmin(axis=1)
    edit = Edit("drop_prototypes", ids, combine(state, into), sem.classes_)
    return apply_edit(psem, edit, reason, X_val, y_val)

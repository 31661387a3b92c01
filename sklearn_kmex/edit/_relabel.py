"""relabel_prototypes: move prototypes to another class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sklearn_kmex._data.brief import brief
from sklearn_kmex.edit._check import (
    check_class_remains,
    check_ids,
    check_label,
    find_editable,
)
from sklearn_kmex.edit._state import read_prototypes
from sklearn_kmex.edit._trail import Edit, apply_edit


def relabel_prototypes(
    psem: Any,
    prototypes: ArrayLike,
    label: Any,
    *,
    reason: str | None = None,
    X_val: Any = None,
    y_val: ArrayLike | None = None,
) -> Any:
    """Move prototypes to another class.

    This corrects a cluster of training samples with wrong labels: samples most similar
    to its prototype are then predicted to be of the other class. The training samples
    of the prototypes move with them, and so does their weight in priors. The metric
    does not change.

    Read more in the :ref:`User Guide <edit>`.

    Parameters
    ----------
    psem : estimator
        Fitted `KMExClassifier`, a :class:`~sklearn.pipeline.Pipeline` that ends in one,
        or a fitted search over one of these. It is not changed. In the copy of a
        search, `best_estimator_` is edited; its scores, such as `best_score_` and
        `cv_results_`, stay those of the unedited model.

    prototypes : int or array-like of int
        Numbers of the prototypes to move.

    label : int, str or the like
        The other class, one of `classes_`.

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
        If a number is not that of a prototype, the label is not one of `classes_`, or
        a class would have no prototype left.

    See Also
    --------
    rename : Rename a whole class.
    sklearn_kmex.metrics.audit : Find suspect prototypes and labels.

    Notes
    -----
    The model knows the `inertia_` of a class, but not the share of each prototype. The
    spread about the means of clusters is assumed to be equal for all samples of a
    class. The sum of `inertia_` over classes is exact.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.edit import relabel_prototypes
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(2, random_state=0).fit(X, y)
    >>> edited = relabel_prototypes(psem, 2, 2, reason="mislabelled on sheet 3")
    >>> edited.n_prototypes_.tolist()
    [2, 1, 3]
    >>> edited.edit_log_[0]["new_ids"]  # of each former prototype
    [0, 1, 3, 2, 4, 5]
    """
    sem = find_editable(psem)
    state = read_prototypes(sem)
    ids = check_ids(prototypes, state)
    new = check_label(label, sem.classes_)
    if not np.isin(new, sem.classes_).all():
        raise ValueError(
            f"label must be a class of psem, one of {brief(sem.classes_)}; got "
            f"{label!r}. Use add_prototypes for a new class."
        )
    moving = ids[state.labels[ids] != new]
    check_class_remains(moving, state, "To rename a whole class, use rename.")
    labels = state.labels.copy()
    labels[ids] = new
    moved = state._replace(labels=labels)
    edit = Edit("relabel_prototypes", ids, moved, sem.classes_, label=new)
    return apply_edit(psem, edit, reason, X_val, y_val)

"""merge_prototypes: replace several prototypes by one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist

from sklearn_kmex._data.brief import brief
from sklearn_kmex.edit._check import check_ids, find_editable
from sklearn_kmex.edit._state import State, combine, read_prototypes
from sklearn_kmex.edit._trail import Edit, apply_edit


def merge_prototypes(
    psem: Any,
    prototypes: ArrayLike,
    *,
    reason: str | None = None,
    X_val: Any = None,
    y_val: ArrayLike | None = None,
) -> Any:
    """Replace several prototypes of a class by one.

    The new prototype is the mean of their training samples. With `prototype="medoid"`,
    it is the training sample nearest to this mean among those known, the training
    samples nearest to the merged prototypes. It takes the place of the first of them.
    As in `fit`, means and distances are Euclidean, of samples of length one if the
    metric is a cosine one. With `priors="prototype"`, it gets the sum of the weights.

    Read more in the :ref:`User Guide <edit>`.

    Parameters
    ----------
    psem : estimator
        Fitted `KMExClassifier`, a :class:`~sklearn.pipeline.Pipeline` that ends in one,
        or a fitted search over one of these. It is not changed. In the copy of a
        search, `best_estimator_` is edited; its scores, such as `best_score_` and
        `cv_results_`, stay those of the unedited model.

    prototypes : array-like of int
        Numbers of the prototypes to merge, at least two and of one class.

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
        If a number is not that of a prototype, or there are less than two prototypes,
        or prototypes of different classes.

    See Also
    --------
    drop_prototypes : Remove prototypes.
    relabel_prototypes : Move prototypes to another class.

    Notes
    -----
    `KMExClassifier(merge_threshold=...)` merges near-duplicates in `fit`, and continues
    clustering from the merged prototypes.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.edit import merge_prototypes
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(2, random_state=0).fit(X, y)
    >>> edited = merge_prototypes(psem, [0, 1], reason="the same flower twice")
    >>> float(edited.prototype_counts_[0])
    50.0
    """
    sem = find_editable(psem)
    state = read_prototypes(sem)
    ids = check_ids(prototypes, state)
    check_several_of_one_class(ids, state)
    into = np.arange(len(state.ids))
    into[ids] = ids[0]
    medoid = sem.prototype == "medoid"
    merged = move_to_mean(combine(state, into), int(ids[0]), state.of(ids), medoid)
    edit = Edit("merge_prototypes", ids, merged, sem.classes_, merged_into=int(ids[0]))
    return apply_edit(psem, edit, reason, X_val, y_val)


def check_several_of_one_class(ids: NDArray[np.intp], state: State) -> None:
    labels = np.unique(state.labels[ids]).tolist()
    if len(ids) < 2 or len(labels) > 1:
        raise ValueError(
            "prototypes must be at least two different prototypes of one class; got "
            f"{brief(ids)} of {brief(labels)}. Use relabel_prototypes to move them "
            "to one class."
        )


def move_to_mean(merged: State, place: int, parts: State, medoid: bool) -> State:
    """Move a prototype to the mean of its members, or to the sample nearest to it."""
    mean = merged.means[[place]]
    best = int(cdist(mean, parts.nearest).argmin())
    vectors, nearest = merged.vectors.copy(), merged.nearest.copy()
    rows = merged.rows.copy()
    nearest[place], rows[place] = parts.nearest[best], parts.rows[best]
    vectors[place] = nearest[place] if medoid else mean[0]
    return merged._replace(vectors=vectors, nearest=nearest, rows=rows)

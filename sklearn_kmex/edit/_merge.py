"""merge_prototypes: one prototype in the place of several."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist

from sklearn_kmex._model.steps import find_kmex
from sklearn_kmex.edit._check import check_ids
from sklearn_kmex.edit._state import State, pool, read
from sklearn_kmex.edit._trail import Edit, edited


def merge_prototypes(
    psem: Any,
    prototypes: ArrayLike,
    *,
    reason: str | None = None,
    X_val: Any = None,
    y_val: ArrayLike | None = None,
) -> Any:
    """Make one prototype of several of a class.

    It is the mean of the training rows that they stood for, or with
    `prototype="medoid"` the training row nearest to it, of those known: the nearest
    rows of the prototypes merged. It takes the place of the first of them.

    Read more in the :ref:`User Guide <edit>`.

    Parameters
    ----------
    psem : estimator
        Fitted `KMExClassifier`, or a :class:`~sklearn.pipeline.Pipeline` that ends
        in one. It is not changed.

    prototypes : array-like of int
        Numbers of the prototypes to merge, two at least and of one class.

    reason : str, default=None
        Why, for the log.

    X_val : array-like of shape (n_samples, n_features) or (n_samples, ...), \
            default=None
        Samples, as `psem` takes them, on which the log compares accuracy before and
        after. None compares nothing.

    y_val : array-like of shape (n_samples,), default=None
        Their labels.

    Returns
    -------
    estimator
        The edited model, of the kind of `psem`, with one more entry in the
        `edit_log_` of its classifier.

    Raises
    ------
    TypeError
        If `psem` does not end in a `KMExClassifier`.

    ValueError
        If a number is not one of a prototype, or they are not several of one class.

    See Also
    --------
    drop_prototypes : Go on without some.
    relabel_prototypes : Move prototypes to another class.

    Notes
    -----
    `KMExClassifier(merge_threshold=...)` merges near-duplicates in `fit`, and clusters
    the training rows again from there.

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
    sem = find_kmex(psem)
    state = read(sem)
    ids = check_ids(prototypes, state)
    check_several_of_one_class(ids, state)
    into = np.arange(len(state.ids))
    into[ids] = ids[0]
    medoid = sem.prototype == "medoid"
    merged = put_at_mean(pool(state, into), int(ids[0]), state.take(ids), medoid)
    edit = Edit("merge_prototypes", ids, merged, sem.classes_, merged_into=int(ids[0]))
    return edited(psem, edit, reason, X_val, y_val)


def check_several_of_one_class(ids: NDArray[np.intp], state: State) -> None:
    labels = np.unique(state.labels[ids]).tolist()
    if len(ids) < 2 or len(labels) > 1:
        raise ValueError(
            "prototypes must be at least two different prototypes of one class; got "
            f"{ids.tolist()} of {labels}. Use relabel_prototypes before to move some."
        )


def put_at_mean(pooled: State, place: int, parts: State, medoid: bool) -> State:
    """Move a prototype to the mean of its members, or to the row nearest to that."""
    mean = pooled.means[[place]]
    best = int(cdist(mean, parts.nearest).argmin())
    vectors, nearest = pooled.vectors.copy(), pooled.nearest.copy()
    rows = pooled.rows.copy()
    nearest[place], rows[place] = parts.nearest[best], parts.rows[best]
    vectors[place] = nearest[place] if medoid else mean[0]
    return pooled._replace(vectors=vectors, nearest=nearest, rows=rows)

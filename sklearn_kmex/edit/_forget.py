"""forget_rows: a model without some of its training rows."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sklearn_kmex._classifier import KMExClassifier
from sklearn_kmex._data.samples import as_samples, len_of
from sklearn_kmex._fit.validation import check_weights
from sklearn_kmex._model.members import (
    check_spread,
    codes_of,
    members_of,
    spread_of,
)
from sklearn_kmex._model.rule import metric_of
from sklearn_kmex._model.steps import embed, embeds_apart
from sklearn_kmex.edit._check import find_editable
from sklearn_kmex.edit._remaining import (
    check_represented,
    read_remaining,
    with_rest,
)
from sklearn_kmex.edit._state import read_prototypes
from sklearn_kmex.edit._trail import Edit, apply_edit
from sklearn_kmex.edit._without import scatter_without, without_members
from sklearn_kmex.exceptions import KMExWarning


def forget_rows(
    psem: Any,
    X_rows: Any,
    y_rows: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    X_train: Any = None,
    y_train: ArrayLike | None = None,
    train_weight: ArrayLike | None = None,
    reason: str | None = None,
    X_val: Any = None,
    y_val: ArrayLike | None = None,
) -> Any:
    """Remove training rows from a model, as if it had been fitted without them.

    The prototype that a row belongs to becomes the mean of its other members. With
    `X_train`, k-means then goes on until no other row moves to another prototype: the
    result is that of a fit that starts from the prototypes of `psem`, on the rows that
    remain. Without it, no other row moves. A prototype without members left is dropped.
    Counts, `inertia_`, and the weights that follow them, are those of the rows that
    remain. The encoder, the temperature, the map of a Mahalanobis metric and the
    results of a search do not change.

    Read more in the :ref:`User Guide <forget>`.

    Parameters
    ----------
    psem : estimator
        Fitted `KMExClassifier`, a :class:`~sklearn.pipeline.Pipeline` that ends in one,
        or a fitted search over one of these. It is not changed. In the copy of a
        search, `best_estimator_` is edited; its scores, such as `best_score_` and
        `cv_results_`, stay those of the unedited model.

    X_rows : array-like of shape (n_rows, n_features) or (n_rows, ...)
        Training rows to forget, as `psem` takes them. They are not stored.

    y_rows : array-like of shape (n_rows,)
        Their labels in `fit`. If prototypes have been moved to another class since,
        rows that belong to them must have the label of this class.

    sample_weight : array-like of shape (n_rows,), default=None
        Their weights in `fit`. None is 1 for all rows.

    X_train : array-like, frame, list or Dataset, default=None
        The training rows that remain, all of them, in the order in which they are kept.
        They are embedded, k-means goes on with them, and one of them is found that
        represents each prototype. `prototype_indices_` are then row numbers in
        `X_train`. With None, k-means does not go on; `prototype_indices_` stay numbers
        in the former training set, and the number of a row that is forgotten becomes
        -1.

    y_train : array-like of shape (n_train,), default=None
        Labels of `X_train`; to be given with it.

    train_weight : array-like of shape (n_train,), default=None
        Weights of `X_train` in `fit`. None is 1 for all rows.

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
        classifier. The entry has the number of rows, `n_rows`, but neither the rows nor
        their numbers.

    Raises
    ------
    TypeError
        If there is no `KMExClassifier` in `psem`, or it is a
        :class:`~sklearn_kmex.RejectingClassifier`, whose thresholds would no longer
        hold.

    ValueError
        If the rows cannot be training rows of `psem`, because more of them are nearest
        to a prototype than it has members, or because they are farther from the
        prototypes than all training rows of their class together; if a class would have
        no rows left; if `X_train` has too many rows to be without them, or none of a
        class; or if a prototype is a medoid that is to be forgotten, and `X_train` is
        not given.

    Warns
    -----
    KMExWarning
        If rows of `X_train` are now nearer to another prototype of their class, but
        k-means does not go on there (see Notes); if a prototype is left without a
        training row that represents it; or if `psem` is behind a forest that embedded
        its own rows by the trees that do not know them (:ref:`embedding_trees`).

    See Also
    --------
    drop_prototypes : Remove prototypes, whose members count for others.
    sklearn_kmex.explain.influence : What removing a row would change.

    Notes
    -----
    The model keeps the mean and the weight of the members of each prototype, so that
    the other rows are not needed: without members of weight w and mean x, the mean m of
    members of weight n becomes (n m - w x) / (n - w). The cost is that of embedding
    the rows and of one product with the prototypes. A prototype that is not the mean of
    its members moves as far as the mean does. A medoid stays, unless it is forgotten;
    then the row nearest to the mean of the other members takes its place.

    With `X_train`, each row is compared with the prototypes of its class once, and
    again only if the triangle inequality allows another one to have become nearer
    [1]_. k-means stops as in `fit`, by `tol` and `max_iter`. It goes on in classes in
    which it had come to rest: each prototype was the mean of the rows nearest to it, of
    `X_train` and `X_rows` together. So it does not undo an edit, and does not go on
    after `partial_fit`, with medoids, with `max_samples`, or if rows or weights are
    missing.

    References
    ----------
    .. [1] Elkan, C. (2003). Using the triangle inequality to accelerate k-means.
           Proceedings of the 20th International Conference on Machine Learning,
           147-153.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.edit import forget_rows
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(2, random_state=0).fit(X, y)
    >>> edited = forget_rows(
    ...     psem, X[:5], y[:5], X_train=X[5:], y_train=y[5:], reason="request 17"
    ... )
    >>> float(psem.prototype_counts_.sum() - edited.prototype_counts_.sum())
    5.0
    >>> entry = edited.edit_log_[0]
    >>> entry["what"], entry["n_rows"], entry["reason"]
    ('forget_rows', 5, 'request 17')
    """
    _check_given(X_train, y_train=y_train, train_weight=train_weight)
    sem, X_rows = find_editable(psem), as_samples(X_rows)
    state, medoid = read_prototypes(sem), sem.prototype == "medoid"
    codes = codes_of(sem, y_rows, len_of(X_rows), "y_rows")
    weights = check_weights(sample_weight, codes)
    gone = members_of(sem, embed(psem, X_rows), codes, weights)
    if embeds_apart(psem):
        _warn_of_forest()
    else:
        check_spread(sem, spread_of(sem, gone), "X_rows")
    after, n_seen = without_members(state, gone, medoid), sem.n_samples_seen_
    if X_train is not None:
        given = X_train, y_train, train_weight, len(codes)
        rest = read_remaining(psem, sem, *given)
        after, n_seen = with_rest(sem, state, after, rest), len(rest.codes)
    check_represented(after, medoid, X_train is not None)
    moved = after.ids[(after.vectors != state.vectors[after.ids]).any(axis=1)]
    ids = np.union1d(gone.owners[weights > 0], moved)
    edit = Edit("forget_rows", ids, after, sem.classes_, n_rows=len(codes))

    def adapt(copy: KMExClassifier) -> None:
        copy.n_samples_seen_ = n_seen
        if metric_of(copy).mapped:
            copy._scatter = scatter_without(copy._scatter, state, gone)

    return apply_edit(psem, edit, reason, X_val, y_val, adapt=adapt)


def _check_given(X_train: Any, **others: Any) -> None:
    named = [name for name, value in others.items() if value is not None]
    if X_train is None and named:
        raise ValueError(f"X_train must be given with {named[0]}; got None.")


def _warn_of_forest() -> None:
    warnings.warn(
        "The forest of psem embedded its own rows in fit by the trees that do not know "
        "them. Which trees these are is not known of X_rows: all trees embed them, and "
        "prototypes move only roughly as they should. The forest itself still "
        "remembers the rows. Fit both again without them, or use "
        "TreeEmbedder(forest, out_of_bag=False) in fit.",
        KMExWarning,
        stacklevel=3,
    )

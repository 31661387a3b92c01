"""add_prototypes: add samples as prototypes, also of a new class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_kmex._classifier import KMExClassifier
from sklearn_kmex._data.arrays import dense
from sklearn_kmex._data.rows import Rows
from sklearn_kmex._data.unit_rows import unit_rows
from sklearn_kmex._fit.prototypes import distinct_rows
from sklearn_kmex._model.metric import has_direction
from sklearn_kmex._model.rule import metric_of
from sklearn_kmex._model.similarity import squared_distances
from sklearn_kmex._model.steps import embed
from sklearn_kmex.edit._check import check_label, find_editable
from sklearn_kmex.edit._state import State, read_prototypes
from sklearn_kmex.edit._trail import Edit, apply_edit, plain


def add_prototypes(
    psem: Any,
    X: Any,
    label: Any,
    *,
    reason: str | None = None,
    X_val: Any = None,
    y_val: ArrayLike | None = None,
) -> Any:
    """Add samples as prototypes of a class, which may be a new one.

    Each distinct sample becomes a prototype, divided by its length if the metric is a
    cosine one. Other prototypes, the metric and the temperature do not change; with
    priors "class" or "prototype", weights follow the new counts. The samples count as
    training samples of the class, as in `partial_fit`: each is the only member of its
    prototype, and their `prototype_indices_` continue those of the samples seen before.

    Read more in the :ref:`User Guide <edit>`.

    Parameters
    ----------
    psem : estimator
        Fitted `KMExClassifier`, a :class:`~sklearn.pipeline.Pipeline` that ends in one,
        or a fitted search over one of these. It is not changed. In the copy of a
        search, `best_estimator_` is edited; its scores, such as `best_score_` and
        `cv_results_`, stay those of the unedited model.

    X : array-like of shape (n_added, n_features) or (n_added, ...)
        Samples, as `psem` takes them.

    label : int, str or the like
        Class of the samples: one of `classes_`, or a new one of the same type.

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
        If the samples do not fit; if a sample is already a prototype, or has only zeros
        and the metric is a cosine one; if the label is of another type; or if `priors`
        are numbers and there is none for the new class.

    See Also
    --------
    sklearn_kmex.KMExClassifier.partial_fit : Cluster new samples, also of new classes.
    relabel_prototypes : Move prototypes to another class.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.edit import add_prototypes
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(2, random_state=0).fit(X[:100], y[:100])
    >>> edited = add_prototypes(psem, X[[117, 126]], 2, reason="a third species")
    >>> edited.classes_.tolist(), edited.n_prototypes_.tolist()
    ([0, 1, 2], [2, 2, 2])
    >>> bool(edited.score(X[100:], y[100:]) > 0.8)
    True
    """
    sem = find_editable(psem)
    new = check_label(label, sem.classes_)
    rows = sem._check_input(embed(psem, X), "add_prototypes")
    if metric_of(sem).unit:
        if not has_direction(rows):
            raise ValueError(
                "X must have no row of zeros for a cosine metric: it has no direction, "
                "and cannot be a prototype. Leave it out."
            )
        rows = unit_rows(rows)
    check_new(rows, sem)
    state = with_rows(read_prototypes(sem), rows, sem.n_samples_seen_, new)
    classes = np.union1d(sem.classes_, new)
    edit = Edit("add_prototypes", np.empty(0, np.intp), state, classes, label=new)

    def adapt(copy: KMExClassifier) -> None:
        copy.n_samples_seen_ += rows.shape[0]
        if new in sem.classes_:
            return
        if not isinstance(copy.priors_, str):
            copy.priors_ = copy.priors  # may have been set for the new class
        given = getattr(copy, "n_prototypes", None)
        if isinstance(given, Mapping):
            n_added = len(state.ids) - len(sem.prototypes_)
            copy.n_prototypes = {**given, plain(new): n_added}

    return apply_edit(psem, edit, reason, X_val, y_val, adapt=adapt)


def check_new(rows: Any, sem: KMExClassifier) -> None:
    """Refuse samples equal to a prototype: the second would change no decision."""
    same = np.argwhere(squared_distances(rows, sem.prototypes_) == 0)
    if len(same):
        row, prototype = same[0].tolist()
        raise ValueError(
            f"X must not hold samples that are prototypes already; sample {row} is "
            f"prototype {prototype}, of class "
            f"{sem.prototype_classes_.tolist()[prototype]!r}. Leave it out, or use "
            "relabel_prototypes."
        )


def with_rows(state: State, rows: Any, first_row: int, label: NDArray) -> State:
    """Append the distinct rows to the prototypes, numbered from `first_row`."""
    numbers = first_row + np.arange(rows.shape[0])
    values, numbers, counts = distinct_rows(Rows(rows, numbers, np.ones(len(numbers))))
    values = dense(values).astype(state.vectors.dtype)
    added = State(
        ids=np.full(len(counts), -1),
        labels=np.repeat(label, len(counts)),
        vectors=values,
        means=values,
        counts=counts,
        nearest=values,
        rows=numbers,
        within=np.zeros(len(counts)),
    )
    both = zip(state, added, strict=True)
    return State(*(np.concatenate(pair) for pair in both))

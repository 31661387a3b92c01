"""add_prototypes: rows that become prototypes, of a new class if need be."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_kmex._classifier import KMExClassifier
from sklearn_kmex._data.arrays import dense
from sklearn_kmex._data.rows import Rows
from sklearn_kmex._fit.prototypes import distinct_rows
from sklearn_kmex._model.similarity import squared_distances
from sklearn_kmex._model.steps import embed, find_kmex
from sklearn_kmex.edit._check import check_label
from sklearn_kmex.edit._state import State, read
from sklearn_kmex.edit._trail import Edit, edited, plain


def add_prototypes(
    psem: Any,
    X: Any,
    label: Any,
    *,
    reason: str | None = None,
    X_val: Any = None,
    y_val: ArrayLike | None = None,
) -> Any:
    """Make samples prototypes of a class, which may be a new one.

    Each sample becomes a prototype, equal ones become one; the others, and the
    temperature, stay as they are. Samples count as training rows of the class, as in
    `partial_fit`: each is the only member of its prototype, and in
    `prototype_indices_` they are numbered on from the rows seen before.

    Read more in the :ref:`User Guide <edit>`.

    Parameters
    ----------
    psem : estimator
        Fitted `KMExClassifier`, or a :class:`~sklearn.pipeline.Pipeline` that ends
        in one. It is not changed.

    X : array-like of shape (n_added, n_features) or (n_added, ...)
        Samples, as `psem` takes them.

    label : int, str or the like
        Their class, of `classes_` or a new one of the same type.

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
        If the samples do not fit, one is a prototype already, the label is of another
        type, or `priors` are numbers and lack one for the new class.

    See Also
    --------
    sklearn_kmex.KMExClassifier.partial_fit : Cluster new rows, of new classes, too.
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
    sem = find_kmex(psem)
    new = check_label(label, sem.classes_)
    rows = sem._check_input(embed(psem, X), "add_prototypes")
    check_new(rows, sem)
    state = with_rows(read(sem), rows, sem.n_samples_seen_, new)
    classes = np.union1d(sem.classes_, new)
    edit = Edit("add_prototypes", np.empty(0, np.intp), state, classes, label=new)

    def adapt(copy: KMExClassifier) -> None:
        copy.n_samples_seen_ += rows.shape[0]
        given = getattr(copy, "n_prototypes", None)
        if isinstance(given, Mapping) and new not in sem.classes_:
            n_added = len(state.ids) - len(sem.prototypes_)
            copy.n_prototypes = {**given, plain(new): n_added}

    return edited(psem, edit, reason, X_val, y_val, adapt=adapt)


def check_new(rows: Any, sem: KMExClassifier) -> None:
    """Refuse rows that are prototypes: one of two equal ones would never decide."""
    same = np.argwhere(squared_distances(rows, sem.prototypes_) == 0)
    if len(same):
        row, prototype = same[0].tolist()
        raise ValueError(
            f"X must hold samples that are no prototypes yet; sample {row} is "
            f"prototype {prototype}, of class "
            f"{sem.prototype_classes_.tolist()[prototype]!r}. Leave it out, or use "
            "relabel_prototypes."
        )


def with_rows(state: State, rows: Any, first_row: int, label: NDArray) -> State:
    """Put the distinct rows behind the prototypes, numbered from the first on."""
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

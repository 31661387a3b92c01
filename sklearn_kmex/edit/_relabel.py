"""relabel_prototypes: prototypes moved to another class."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sklearn_kmex._model.steps import find_kmex
from sklearn_kmex.edit._check import check_ids, check_label, check_none_is_emptied
from sklearn_kmex.edit._state import read
from sklearn_kmex.edit._trail import Edit, edited


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

    For a cluster of rows with wrong labels: what is most similar to it belongs to the
    other class from now on. The training rows that the prototypes stand for move with
    them, and so does their weight in empirical priors.

    Read more in the :ref:`User Guide <edit>`.

    Parameters
    ----------
    psem : estimator
        Fitted `KMExClassifier`, or a :class:`~sklearn.pipeline.Pipeline` that ends
        in one. It is not changed.

    prototypes : int or array-like of int
        Numbers of the prototypes to move.

    label : int, str or the like
        Class that they move to, one of `classes_`.

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
        If a number is not one of a prototype, the label is not one of a class, or a
        class would be left without a prototype.

    See Also
    --------
    rename : Give a whole class another name.
    sklearn_kmex.metrics.audit : Labels and prototypes that may be wrong.

    Notes
    -----
    Of the `inertia_` of a class, the model does not know the share of each prototype:
    the spread of rows about their own mean is taken to be the same for all rows of a
    class. The sum over classes is exact.

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
    sem = find_kmex(psem)
    state = read(sem)
    ids = check_ids(prototypes, state)
    new = check_label(label, sem.classes_)
    if not np.isin(new, sem.classes_).all():
        raise ValueError(
            f"label must be a class of psem, one of {sem.classes_.tolist()}; got "
            f"{label!r}. Use add_prototypes for a new class."
        )
    moving = ids[state.labels[ids] != new]
    check_none_is_emptied(moving, state, "To give a whole class a name, use rename.")
    labels = state.labels.copy()
    labels[ids] = new
    moved = state._replace(labels=labels)
    edit = Edit("relabel_prototypes", ids, moved, sem.classes_, label=new)
    return edited(psem, edit, reason, X_val, y_val)

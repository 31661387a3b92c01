"""drop_prototypes: a model without some of its prototypes."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist

from sklearn_kmex._model.steps import find_kmex
from sklearn_kmex.edit._check import check_ids, check_none_is_emptied
from sklearn_kmex.edit._state import pool, read
from sklearn_kmex.edit._trail import Edit, edited


def drop_prototypes(
    psem: Any,
    prototypes: ArrayLike,
    *,
    reason: str | None = None,
    X_val: Any = None,
    y_val: ArrayLike | None = None,
) -> Any:
    """Take prototypes out of a model.

    What was decided by them is decided by those that are left. The training rows that
    they stood for stay rows of their class: they count for the prototype of the class
    nearest to their mean, so that class frequencies are as before.

    Read more in the :ref:`User Guide <edit>`.

    Parameters
    ----------
    psem : estimator
        Fitted `KMExClassifier`, or a :class:`~sklearn.pipeline.Pipeline` that ends
        in one. It is not changed.

    prototypes : int or array-like of int
        Numbers of the prototypes to drop. Each class keeps one at least.

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
        If a number is not one of a prototype, or a class would be left without.

    See Also
    --------
    merge_prototypes : Make one of several.
    sklearn_kmex.metrics.audit : What is wrong with prototypes and labels.

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
    >>> edited.edit_log_[0]["why"]
    'unlike the class'
    """
    sem = find_kmex(psem)
    state = read(sem)
    ids = check_ids(prototypes, state)
    check_none_is_emptied(
        ids, state, "Keep one of them, or fit again without the class."
    )
    apart = cdist(state.means[ids], state.vectors)
    apart[state.labels[ids][:, np.newaxis] != state.labels] = np.inf
    apart[:, ids] = np.inf
    into = np.arange(len(state.ids))
    into[ids] = apart.argmin(axis=1)
    edit = Edit("drop_prototypes", ids, pool(state, into), sem.classes_)
    return edited(psem, edit, reason, X_val, y_val)

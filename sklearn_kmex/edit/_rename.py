"""rename: other names for classes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._classifier import KMExClassifier
from sklearn_kmex._model.labels import kind_of
from sklearn_kmex._model.steps import find_kmex
from sklearn_kmex.edit._state import read
from sklearn_kmex.edit._trail import Edit, edited


def rename(psem: Any, names: Mapping[Any, Any], *, reason: str | None = None) -> Any:
    """Give classes other labels.

    No decision changes but for its name, so that there is nothing to compare.
    `classes_` is sorted by the new labels, and with it the prototypes. Parameters that
    name classes, or follow their order, are adapted: `n_prototypes` and `priors`.

    Read more in the :ref:`User Guide <edit>`.

    Parameters
    ----------
    psem : estimator
        Fitted `KMExClassifier`, or a :class:`~sklearn.pipeline.Pipeline` that ends
        in one. It is not changed.

    names : dict
        New label of each class that gets one. Labels stay different, and of one type:
        for labels of another type than before, name all classes.

    reason : str, default=None
        Why, for the log.

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
        If `names` names what is no class, or leaves two classes with one label, or
        labels of two types.

    See Also
    --------
    relabel_prototypes : Move some prototypes to another class.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.edit import rename
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(2, random_state=0).fit(X, y)
    >>> named = rename(psem, {0: "setosa", 1: "versicolor", 2: "virginica"})
    >>> print(*named.predict(X[[0, 80]]))
    setosa versicolor
    """
    sem = find_kmex(psem)
    old = sem.classes_
    new = new_labels(names, old)
    order = np.argsort(new)
    state = read(sem)
    renamed = state._replace(labels=new[np.searchsorted(old, state.labels)])
    pairs = [list(pair) for pair in zip(old.tolist(), new.tolist(), strict=True)]
    given_another = old[[one != other for one, other in pairs]]
    ids = np.flatnonzero(np.isin(state.labels, given_another))
    edit = Edit("rename", ids, renamed, new[order], names=pairs)

    def adapt(copy: KMExClassifier) -> None:
        given = getattr(copy, "n_prototypes", None)
        if isinstance(given, Mapping):
            table = dict(pairs)
            copy.n_prototypes = {table[c]: n for c, n in given.items()}
        if not isinstance(copy.priors, str):
            copy.priors = np.asarray(copy.priors)[order].tolist()

    return edited(psem, edit, reason, adapt=adapt)


def new_labels(names: Mapping[Any, Any], classes: NDArray) -> NDArray:
    """Return the new label of each class, in the order of the old ones."""
    old = classes.tolist()
    unknown = [name for name in names if name not in old]
    if unknown or not names:
        raise ValueError(
            f"names must give new labels to classes of psem, {old}; got {unknown}."
        )
    new = [names.get(label, label) for label in old]
    if len({kind_of(np.asarray([label])) for label in new}) > 1:
        raise ValueError(
            f"names must leave all classes labels of one type; got {new}. Name all "
            f"classes, {old}."
        )
    if len(set(new)) < len(new):
        raise ValueError(
            f"names must leave all classes different labels; got {new}. To move "
            "prototypes to another class, use relabel_prototypes."
        )
    return np.array(new, dtype=object if classes.dtype == object else None)

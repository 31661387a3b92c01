"""rename: give classes other labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._classifier import KMExClassifier
from sklearn_kmex._data.brief import brief
from sklearn_kmex._model.labels import kind_of
from sklearn_kmex.edit._check import find_editable
from sklearn_kmex.edit._state import read_prototypes
from sklearn_kmex.edit._trail import Edit, apply_edit


def rename(psem: Any, names: Mapping[Any, Any], *, reason: str | None = None) -> Any:
    """Give classes other labels.

    Decisions do not change, apart from the labels. `classes_` and the prototypes are
    sorted by the new labels. The parameters `n_prototypes` and `priors` are adapted if
    they depend on labels or their order.

    Read more in the :ref:`User Guide <edit>`.

    Parameters
    ----------
    psem : estimator
        Fitted `KMExClassifier`, a :class:`~sklearn.pipeline.Pipeline` that ends in one,
        or a fitted search over one of these. It is not changed. In the copy of a
        search, `best_estimator_` is edited; its scores, such as `best_score_` and
        `cv_results_`, stay those of the unedited model.

    names : dict
        New labels by old ones. All labels must be different and of one type; to change
        the type, rename all classes.

    reason : str, default=None
        Reason for the edit, for the log.

    Returns
    -------
    estimator
        The edited copy of `psem`, with one more entry in the `edit_log_` of its
        classifier.

    Raises
    ------
    TypeError
        If `names` is no dict, there is no `KMExClassifier` in `psem`, or it is a
        :class:`~sklearn_kmex.RejectingClassifier`, whose thresholds would no longer
        hold.

    ValueError
        If a key of `names` is not a class, or labels would not be different or not of
        one type.

    See Also
    --------
    relabel_prototypes : Move prototypes to another class.

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
    sem = find_editable(psem)
    old = sem.classes_
    new = new_labels(names, old)
    order = np.argsort(new)
    state = read_prototypes(sem)
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
        if not isinstance(copy.priors_, str):
            copy.priors = copy.priors_ = np.asarray(copy.priors_)[order].tolist()

    return apply_edit(psem, edit, reason, adapt=adapt)


def new_labels(names: Mapping[Any, Any], classes: NDArray) -> NDArray:
    """Return the new labels of all classes, in the order of the old ones."""
    old = classes.tolist()
    if not isinstance(names, Mapping):
        raise TypeError(
            f"names must be a dict of new labels by old ones, {brief(old)}; got "
            f"{names!r} of type {type(names).__name__}. Pass, for example, "
            f"{{{old[0]!r}: 'name'}}."
        )
    unknown = [name for name in names if name not in old]
    if unknown or not names:
        raise ValueError(
            f"names must give new labels to classes of psem, {brief(old)}; got "
            f"{brief(unknown)}."
        )
    new = [names.get(label, label) for label in old]
    if not _are_of_one_type(new):
        raise ValueError(
            f"names must give all classes labels of one type; got {brief(new)}. "
            f"Rename all classes, {brief(old)}, each to a number or a text."
        )
    if len(set(new)) < len(new):
        raise ValueError(
            f"names must give all classes different labels; got {brief(new)}. To "
            "move prototypes to another class, use relabel_prototypes."
        )
    return np.array(new, dtype=object if classes.dtype == object else None)


def _are_of_one_type(labels: list[Any]) -> bool:
    """Whether labels are numbers, truth values or text, and none is missing."""
    kinds = {kind_of(np.asarray([label])) for label in labels}
    plain = not any(np.ndim(label) for label in labels)
    alike = plain and len(kinds) == 1 and kinds != {"O"}
    return alike and all(label == label for label in labels)  # nan is not

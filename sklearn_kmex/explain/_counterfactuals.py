"""counterfactuals: what would have to be otherwise for another decision."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, column_or_1d, gen_batches
from sklearn.utils.validation import check_consistent_length

from sklearn_kmex._data.samples import as_samples, chunk_rows, chunks, len_of, take
from sklearn_kmex._draw.html import MAX_ROWS, html_table
from sklearn_kmex._model.decision import Decision, decide
from sklearn_kmex._model.labels import class_codes
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.similarity import class_scores, squared_distances
from sklearn_kmex._model.steps import embed
from sklearn_kmex.explain._probe import rows_of
from sklearn_kmex.explain._records import Records
from sklearn_kmex.utils import check_dependency

QUERIES_AT_A_TIME = 1_024


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Counterfactuals(Records):
    """What would have to be otherwise for each sample to be of another class.

    Made by :func:`counterfactuals`. It has a length, can be iterated over, and is
    sliced as an array is.

    Read more in the :ref:`User Guide <counterfactuals>`.

    Parameters
    ----------
    sample_indices : ndarray of shape (n_samples,), dtype=intp
        Row of each sample in X; kept by slicing.

    predictions : ndarray of shape (n_samples,)
        Predicted labels.

    runner_up : ndarray of shape (n_samples,)
        Label of the class with the best score but for the predicted one.

    training_rows : ndarray of shape (n_samples,), dtype=intp
        Training row of that class nearest to the sample; without the training rows,
        the one that stands for its nearest prototype (-1 where not known).

    distances : ndarray of shape (n_samples,), dtype=float64
        Euclidean distance, between embeddings, to that training row; without the
        training rows, to that prototype.

    removed : ndarray of shape (n_samples, n_prototypes_total), dtype=bool
        Whether a prototype is in the smallest set without which the model decides
        otherwise.

    removed_to : ndarray of shape (n_samples,)
        Label predicted without that set.

    Attributes
    ----------
    removals : list of ndarray, dtype=intp
        The prototypes to remove for each sample, by their numbers.

    See Also
    --------
    counterfactuals : Makes one.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.explain import counterfactuals
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(3, random_state=0).fit(X, y)
    >>> found = counterfactuals(psem, X, X_train=X, y_train=y)
    >>> found[0].runner_up, len(found.removals[0])
    (array([1]), 3)
    """

    predictions: NDArray
    runner_up: NDArray
    training_rows: NDArray[np.intp]
    distances: NDArray[np.float64]
    removed: NDArray[np.bool_]
    removed_to: NDArray

    @property
    def removals(self) -> list[NDArray[np.intp]]:
        """The prototypes to remove for each sample, as arrays of their numbers."""
        return [np.flatnonzero(row) for row in self.removed]

    def frame(self) -> Any:
        """Return it as a pandas DataFrame, a row for each sample.

        Returns
        -------
        pandas.DataFrame
            Columns `sample`, `prediction`, `runner_up`, `training_row`, `distance`,
            `n_removed`, `removals` (arrays) and `removed_to`.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        pandas = check_dependency("pandas", caller="frame", extra="all")
        return pandas.DataFrame(
            {
                "sample": self.sample_indices,
                "prediction": self.predictions,
                "runner_up": self.runner_up,
                "training_row": self.training_rows,
                "distance": self.distances,
                "n_removed": self.removed.sum(axis=1),
                "removals": self.removals,
                "removed_to": self.removed_to,
            }
        )

    def _repr_html_(self) -> str:
        head = ["sample", "prediction", "nearest of another class", "changes without"]
        shown = range(min(len(self), MAX_ROWS))
        rows = [
            [self.sample_indices[row], self.predictions[row], *self._html_cells(row)]
            for row in shown
        ]
        return html_table(repr(self), head, rows, len(self) - len(rows))

    def _html_cells(self, row: int) -> list[list[str]]:
        found = self.training_rows[row]
        where = f"training row {found}" if found >= 0 else "its nearest prototype"
        distance = f"distance {self.distances[row]:.4g}"
        removed = np.flatnonzero(self.removed[row])
        numbers = f"prototype{'s' * (len(removed) > 1)} {', '.join(map(str, removed))}"
        return [
            [str(self.runner_up[row]), where, distance],
            [numbers, f"to {self.removed_to[row]}"],
        ]


def counterfactuals(
    psem: Any,
    X: ArrayLike,
    *,
    X_train: Any = None,
    y_train: ArrayLike | None = None,
) -> Counterfactuals:
    """Find the nearest training row of the runner-up, and the prototypes that decide.

    Read more in the :ref:`User Guide <counterfactuals>`.

    Parameters
    ----------
    psem : estimator
        Fitted prototypical self-explainable model: anything with `classes_`,
        `prototypes_`, `prototype_classes_` and `transform`, or a
        :class:`~sklearn.pipeline.Pipeline` that ends in one.

    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        Samples to explain, as `psem` takes them.

    X_train : array-like, frame, list or Dataset, default=None
        Training rows to look among; those of the runner-up classes are embedded, a
        chunk at a time. None takes the row that stands for the nearest prototype of
        the runner-up.

    y_train : array-like of shape (n_train,), default=None
        Their labels; needed with `X_train`.

    Returns
    -------
    Counterfactuals
        For each sample the runner-up, its nearest training row and the distance to it;
        the smallest set of prototypes without which the model decides otherwise, and
        what it decides then.

    Raises
    ------
    TypeError
        If `psem` is no prototypical self-explainable model.

    ValueError
        If only one of `X_train` and `y_train` is given, they do not fit, or `psem`
        predicts another class than the one of the best score.

    See Also
    --------
    explain : The decision as it is.
    contrast : Why not the runner-up, column by column.

    Notes
    -----
    Removing prototypes of other classes never changes a decision, and the score of the
    predicted class grows with each of its similarities, under "max" as under "sum".
    Of all sets of r of its prototypes, the r most similar ones thus leave it the
    smallest score: taking them away in turn, until another class wins, finds a
    smallest set. Under "max" these are the prototypes at least as similar as the best
    of any other class (a tie goes to the class that comes first in `classes_`). The
    class may have to lose all its prototypes, and then is not predicted. For a model
    with prototypes but without `aggregation`, it is the nearest-prototype rule.

    All of it is ours, not the paper's.

    Examples
    --------
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.explain import counterfactuals
    >>> X, y = [[0.0], [1.0], [4.0], [9.0]], ["a", "a", "b", "b"]
    >>> psem = KMExClassifier(2, temperature=1.0, random_state=0).fit(X, y)
    >>> found = counterfactuals(psem, [[0.5]], X_train=X, y_train=y)
    >>> found.runner_up, found.training_rows, found.distances
    (array(['b'], dtype='<U1'), array([2]), array([3.5]))
    >>> found.removals, found.removed_to
    ([array([0, 1])], array(['b'], dtype='<U1'))
    """
    sem, X = find_sem(psem), as_samples(X)
    Z = embed(psem, X)
    found = decide(psem, Z)
    _check_rule(found)
    removed, decided = _smallest_removals(found, getattr(sem, "aggregation", "max"))
    if X_train is None and y_train is None:
        rows, distances = _behind_prototypes(sem, Z, found)
    else:
        rows, distances = _nearest_rows(psem, Z, found, X_train, y_train)
    return Counterfactuals(
        sample_indices=np.arange(len_of(X)),
        predictions=found.classes[found.predicted],
        runner_up=found.classes[found.runner_up],
        training_rows=rows,
        distances=distances,
        removed=removed,
        removed_to=found.classes[decided],
    )


def _check_rule(found: Decision) -> None:
    wrong = np.flatnonzero(found.predicted != found.scores.argmax(axis=1))
    if len(wrong):
        raise ValueError(
            "psem must predict the class of its most similar prototype; it predicts "
            f"{found.classes[found.predicted[wrong[0]]].item()!r} for sample "
            f"{wrong[0]}, which is most similar to one of another class."
        )


def _smallest_removals(
    found: Decision, aggregation: str
) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Take away the most similar prototypes of the predicted class until it loses."""
    order = np.argsort(found.owners, kind="stable")
    own = found.owners == found.predicted[:, np.newaxis]
    removed, decided = np.zeros_like(own), found.predicted.copy()
    rows = np.arange(len(own))
    while len(rows):
        left = np.where(own & ~removed, found.similarities, -np.inf)[rows]
        removed[rows, left.argmax(axis=1)] = True
        similar = np.where(removed, -np.inf, found.similarities)[rows]
        with np.errstate(invalid="ignore"):  # of a class that has none left
            scores = class_scores(
                similar[:, order], found.owners[order], len(found.classes), aggregation
            )
        scores += found.shift
        decided[rows] = np.nan_to_num(scores, nan=-np.inf).argmax(axis=1)
        rows = np.flatnonzero(decided == found.predicted)
    return removed, decided


def _behind_prototypes(
    sem: Any, Z: Any, found: Decision
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Rows that stand for the nearest prototypes of the runner-up; their distance."""
    nearest = found.nearest_of(found.runner_up)
    apart = rows_of(Z).astype(np.float64) - np.asarray(sem.prototypes_)[nearest]
    return found.training_rows[nearest], np.linalg.norm(apart, axis=1)


def _nearest_rows(
    psem: Any, Z: Any, found: Decision, X_train: Any, y_train: ArrayLike | None
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Search all training rows of the runner-up classes, a chunk at a time."""
    if X_train is None or y_train is None:
        raise ValueError("X_train and y_train must be given together; got one of them.")
    X_train, labels = as_samples(X_train), column_or_1d(y_train)
    check_consistent_length(labels, range(len_of(X_train)))
    absent = np.setdiff1d(found.runner_up, class_codes(found.classes, labels))
    if len(absent):
        raise ValueError(
            "y_train must hold a row of each runner-up; none of "
            f"{found.classes[absent].tolist()} is in it."
        )
    nearest = np.full(len(found.predicted), -1)
    squares = np.full(len(nearest), np.inf)
    for code in np.unique(found.runner_up):
        samples = np.flatnonzero(found.runner_up == code)
        members = np.flatnonzero(labels == found.classes[code]).tolist()
        queries = rows_of(take(Z, samples))
        for rows in chunks(members, chunk_rows(X_train)):
            best, least = _closest(embed(psem, take(X_train, rows)), queries)
            closer = least < squares[samples]
            nearest[samples[closer]] = np.asarray(rows)[best[closer]]
            squares[samples[closer]] = least[closer]
    return nearest, np.sqrt(squares)


def _closest(Z: Any, queries: NDArray) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Find the first of the nearest rows to each query, and its squared distance."""
    Z = check_array(Z, accept_sparse="csr", dtype=[np.float64, np.float32])
    best, least = [], []
    for some in gen_batches(len(queries), QUERIES_AT_A_TIME):
        squares = squared_distances(Z, queries[some])
        best.append(squares.argmin(axis=0))
        least.append(squares.min(axis=0))
    return np.concatenate(best), np.concatenate(least)

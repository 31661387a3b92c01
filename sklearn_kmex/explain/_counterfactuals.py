"""counterfactuals: what would change a decision."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_kmex._data.samples import as_samples, len_of
from sklearn_kmex._draw.counterfactuals import (
    counterfactuals_table,
    plot_counterfactuals,
)
from sklearn_kmex._draw.pictures import make_scale
from sklearn_kmex._draw.sentences import counterfactuals_lines
from sklearn_kmex._draw.table import Table
from sklearn_kmex._model.decision import Decision, decide
from sklearn_kmex._model.protocol import find_sem, of_one_state
from sklearn_kmex._model.rule import Rule, rule_of
from sklearn_kmex._model.similarity import class_scores
from sklearn_kmex._model.steps import embed
from sklearn_kmex.explain._records import SHARED, PictureRecords
from sklearn_kmex.explain._search import nearest_rows, rows_of_prototypes
from sklearn_kmex.explain._values import column_scales, values_at
from sklearn_kmex.explain._walk import column_names
from sklearn_kmex.utils import check_dependency


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Counterfactuals(PictureRecords):
    """What would change the decision about each sample.

    It is returned by :func:`counterfactuals`. It has a length, can be iterated over,
    and can be indexed like an array.

    Read more in the :ref:`User Guide <counterfactuals>`.

    Parameters
    ----------
    sample_indices : ndarray of shape (n_samples,), dtype=intp
        Row of each sample in X; kept when slicing.

    predictions : ndarray of shape (n_samples,)
        Predicted labels.

    runner_up : ndarray of shape (n_samples,)
        Label of the class with the best score of all but the predicted class.

    margin : ndarray of shape (n_samples,)
        Score of the predicted class minus that of the runner-up, in the unit of the
        similarities.

    training_rows : ndarray of shape (n_samples,), dtype=intp
        Training row of the runner-up nearest to the sample. Without training rows, the
        row that represents its most similar prototype, by weight (-1 if unknown).

    distances : ndarray of shape (n_samples,), dtype=float64
        Distance, between embeddings and in the metric of the model, to that training
        row; without training rows, to that prototype.

    similarities : ndarray of shape (n_samples, n_prototypes_total)
        Similarity to each prototype of the model.

    removed : ndarray of shape (n_samples, n_prototypes_total), dtype=bool
        Whether a prototype is in the smallest set whose removal changes the decision.

    removed_to : ndarray of shape (n_samples,)
        Label predicted without that set.

    shift : ndarray of shape (n_prototypes_total,), dtype=float64
        What the weight of each prototype adds to its similarity when classes are
        scored: 0 for the largest weight, negative for smaller ones.

    prototype_classes : ndarray of shape (n_prototypes_total,)
        Label of each prototype of the model.

    samples : ndarray of shape (n_samples, ...), default=None
        The samples, if they are arrays of numbers or rows of a frame.

    training_samples : ndarray of shape (n_samples, ...), default=None
        Values of `training_rows`, if training rows were given.

    feature_names : ndarray of shape (n_columns,), dtype=object, default=None
        Names of the columns of a table.

    feature_scales : ndarray of shape (n_columns,), dtype=float64, default=None
        Standard deviation of each column of the training rows; NaN if it is not
        numeric.

    Attributes
    ----------
    removals : list of ndarray, dtype=intp
        Indices of the prototypes to remove for each sample.

    See Also
    --------
    counterfactuals : Returns Counterfactuals.

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
    >>> axes = found[:2].plot()
    >>> axes.shape
    (2, 2)
    """

    predictions: NDArray
    runner_up: NDArray
    margin: NDArray
    training_rows: NDArray[np.intp]
    distances: NDArray[np.float64]
    similarities: NDArray
    removed: NDArray[np.bool_]
    removed_to: NDArray
    shift: NDArray[np.float64] = field(metadata=SHARED)
    prototype_classes: NDArray = field(metadata=SHARED)
    samples: NDArray | None = None
    training_samples: NDArray | None = None
    feature_names: NDArray | None = field(default=None, metadata=SHARED)
    feature_scales: NDArray | None = field(default=None, metadata=SHARED)

    @property
    def removals(self) -> list[NDArray[np.intp]]:
        """Indices of the prototypes to remove for each sample."""
        return [np.flatnonzero(row) for row in self.removed]

    def frame(self) -> Any:
        """Return a pandas DataFrame with a row for each sample.

        Returns
        -------
        pandas.DataFrame
            Columns `sample`, `prediction`, `runner_up`, `margin`, `training_row`,
            `distance`, `n_removed`, `removals` (arrays) and `removed_to`.

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
                "margin": self.margin,
                "training_row": self.training_rows,
                "distance": self.distances,
                "n_removed": self.removed.sum(axis=1),
                "removals": self.removals,
                "removed_to": self.removed_to,
            }
        )

    def plot(
        self,
        *,
        image_shape: tuple[int, ...] | None = None,
        vmin: float | None = None,
        vmax: float | None = None,
        n_features: int = 10,
        max_samples: int = 10,
        figure: Any = None,
    ) -> NDArray:
        """Draw what would change each decision.

        Samples that are pictures are drawn with the nearest training row of the
        runner-up. For tables, bars show the columns in which this row differs, in
        standard deviations of the training rows, the largest difference first. Both
        need the training rows. More bars show the weighted similarities to the
        prototypes to remove, and to the prototype that is then the most similar one of
        the new class.

        Parameters
        ----------
        image_shape : tuple of int, default=None
            Shape of the pictures that are stored as flat samples, as in
            :meth:`Explanation.plot`. None does not reshape samples.

        vmin, vmax : float, default=None
            Values drawn black and white, as in :meth:`Explanation.plot`.

        n_features : int, default=10
            Largest number of columns of a table to draw.

        max_samples : int, default=10
            Largest number of samples to draw, the first ones; slice to draw others.

        figure : matplotlib.figure.Figure or SubFigure, default=None
            Where to draw. None makes a new one with pyplot.

        Returns
        -------
        ndarray of shape (n_rows, n_columns), dtype=object
            The matplotlib Axes.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.

        ValueError
            If `image_shape` does not fit the samples, `vmin` or `vmax` is no number, or
            there is no sample or column to draw.

        TypeError
            If `figure` is not a figure.
        """
        pyplot = check_dependency(
            "matplotlib.pyplot", caller="Counterfactuals.plot", extra="plot"
        )
        scale = make_scale(image_shape, vmin, vmax)
        return plot_counterfactuals(
            pyplot, self, scale, n_features, max_samples, figure
        )

    def _blocks(self, n_samples: int) -> list[list[str]]:
        return [counterfactuals_lines(self, row) for row in range(n_samples)]

    def _table(self, n_rows: int, image_shape: tuple[int, ...] | None = None) -> Table:
        return counterfactuals_table(self, n_rows, image_shape)


def counterfactuals(
    psem: Any,
    X: ArrayLike,
    *,
    X_train: Any = None,
    y_train: ArrayLike | None = None,
) -> Counterfactuals:
    """Find what would change a decision: a training row, and prototypes to remove.

    The runner-up is the class with the best score of all but the predicted class.

    Read more in the :ref:`User Guide <counterfactuals>`.

    Parameters
    ----------
    psem : estimator
        Fitted prototypical self-explainable model: a classifier with `classes_`,
        `prototypes_`, `prototype_classes_` and `transform`. A `Pipeline` that ends in
        one and a fitted search, `FrozenEstimator` or `RejectingClassifier` around one
        are accepted; the classifier inside is explained.

    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        Samples to explain, as `psem` takes them.

    X_train : array-like, frame, list or Dataset, default=None
        Training rows to search. Those of the runner-up classes are embedded, a chunk at
        a time. None takes the row that represents the most similar prototype of the
        runner-up.

    y_train : array-like of shape (n_train,), default=None
        Labels of `X_train`; required with it, as the rows of the runner-up class are
        searched.

    Returns
    -------
    Counterfactuals
        For each sample the runner-up, its nearest training row and the distance to it;
        the smallest set of prototypes whose removal changes the decision, and the new
        decision.

    Raises
    ------
    TypeError
        If `psem` is not a prototypical self-explainable model.

    ValueError
        If only one of `X_train` and `y_train` is given, if they do not fit, or if
        `psem` does not predict the class with the best score.

    See Also
    --------
    explain : The decision and its prototypes.
    contrast : Why not the runner-up, column by column.

    Notes
    -----
    Removing prototypes of other classes never changes a decision. The score of the
    predicted class increases with each of its weighted similarities, which are
    similarities plus T log w with the temperature T and the weight w of the prototype,
    for both aggregations, "max" and "sum". Of all sets of r of its prototypes, removing
    the r with the largest weighted similarities therefore gives the smallest score.
    Removing them one after the other, until another class is predicted, finds a
    smallest set. With "max" these are the prototypes whose weighted similarity is at
    least the best of any other class (a tie goes to the class that comes first in
    `classes_`). The weights of the others stay as they are. A class may lose all its
    prototypes, and is then not predicted. Models without `aggregation_` are taken to
    predict the class of the nearest prototype.

    This function is an addition of this package.

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
    psem = of_one_state(psem)
    sem, X = find_sem(psem), as_samples(X)
    Z = embed(psem, X)
    found = decide(psem, Z)
    _check_rule(found)
    rule = rule_of(sem)
    removed, decided = _smallest_removals(found, rule)
    if X_train is None and y_train is None:
        rows, distances = rows_of_prototypes(rule, Z, found)
    else:
        rows, distances = nearest_rows(psem, Z, found, X_train, y_train)
    return Counterfactuals(
        sample_indices=np.arange(len_of(X)),
        predictions=found.classes[found.predicted],
        runner_up=found.classes[found.runner_up],
        margin=found.margin,
        training_rows=rows,
        distances=distances,
        similarities=found.similarities,
        removed=removed,
        removed_to=found.classes[decided],
        shift=rule.shift,
        prototype_classes=np.asarray(sem.prototype_classes_),
        **_shown(psem, X, X_train, rows),
    )


def _shown(
    psem: Any, X: Any, X_train: Any, training_rows: NDArray[np.intp]
) -> dict[str, Any]:
    """Take the values of the samples, and of their nearest training rows."""
    samples = values_at(X, range(len_of(X)))
    shown: dict[str, Any] = {"samples": samples}
    if samples is None:
        return shown
    if samples.ndim == 2:
        shown["feature_names"] = column_names(psem, [X], [], samples.shape[1])
    if X_train is None:
        return shown
    nearest = values_at(as_samples(X_train), training_rows)
    if nearest is None or nearest.shape != samples.shape:
        return shown
    scales = column_scales(X_train) if samples.ndim == 2 else None
    return shown | {"training_samples": nearest, "feature_scales": scales}


def _check_rule(found: Decision) -> None:
    wrong = np.flatnonzero(found.predicted != found.scores.argmax(axis=1))
    if len(wrong):
        raise ValueError(
            "psem must predict the class with the best score; it predicts "
            f"{found.classes[found.predicted[wrong[0]]].item()!r} for sample "
            f"{wrong[0]}, for which another class has a better score."
        )


def _smallest_removals(
    found: Decision, rule: Rule
) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Remove the most similar prototypes of the predicted class until it loses."""
    order = np.argsort(found.owners, kind="stable")
    weighted = rule.weigh(found.similarities.astype(np.float64))
    own = found.owners == found.predicted[:, np.newaxis]
    removed, decided = np.zeros_like(own), found.predicted.copy()
    rows = np.arange(len(own))
    while len(rows):
        left = np.where(own & ~removed, weighted, -np.inf)[rows]
        removed[rows, left.argmax(axis=1)] = True
        kept = np.where(removed, -np.inf, weighted)[rows]
        with np.errstate(invalid="ignore"):  # of a class without prototypes
            scores = class_scores(
                kept[:, order],
                found.owners[order],
                rule.n_classes,
                rule.aggregation,
                rule.temperature,
            )
        decided[rows] = np.nan_to_num(scores, nan=-np.inf).argmax(axis=1)
        rows = np.flatnonzero(decided == found.predicted)
    return removed, decided

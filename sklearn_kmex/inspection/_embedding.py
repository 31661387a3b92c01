"""EmbeddingDisplay: samples and prototypes on a map."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.utils import check_array
from sklearn.utils.validation import check_consistent_length

from sklearn_kmex._data.unit_rows import unit_rows
from sklearn_kmex._draw.figures import (
    class_texts,
    one_axes,
    short,
    size_of,
    style,
    update_layout,
)
from sklearn_kmex._model.decision import decide
from sklearn_kmex._model.labels import class_codes
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.rule import metric_of
from sklearn_kmex._model.steps import embed
from sklearn_kmex.utils import check_dependency


class EmbeddingDisplay:
    """Embeddings of samples and prototypes on a map of two dimensions.

    A map cannot show all dimensions of a space: points that are close on the map need
    not be close in the embedding space, in which the model decides.

    With a metric on rows of length one ("cosine" and "cosine_mahalanobis"), samples are
    divided by their length, because prototypes are means of such rows. With a
    Mahalanobis metric, the map is that of the embeddings, in which prototypes are
    found, not of the space in which the metric is the Euclidean distance.

    Read more in the :ref:`User Guide <displays>`.

    Parameters
    ----------
    points : ndarray of shape (n_samples, 2)
        Samples on the map.

    labels : ndarray of shape (n_samples,)
        Their labels, each of `classes`.

    prototype_points : ndarray of shape (n_prototypes, 2)
        Prototypes on the map.

    prototype_labels : ndarray of shape (n_prototypes,)
        Their labels.

    classes : ndarray of shape (n_classes,)
        Labels, in the order of colors and markers.

    class_names : sequence of str, default=None
        Names in the order of `classes`. None uses the labels.

    axis_names : tuple of str, default=("component 1", "component 2")
        Names of the two dimensions.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn into.

    figure_ : matplotlib Figure
        The figure that holds it.

    scatters_, prototype_scatters_ : list of matplotlib PathCollection
        Samples and prototypes of each class.

    legend_ : matplotlib Legend
        Names of the classes.

    See Also
    --------
    sklearn.decomposition.PCA : The default map.
    PrototypeDisplay : The training examples that represent prototypes.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.inspection import EmbeddingDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(2, random_state=0).fit(X, y)
    >>> display = EmbeddingDisplay.from_estimator(psem, X, y)
    >>> display.points.shape, display.prototype_points.shape
    ((150, 2), (6, 2))
    """

    def __init__(
        self,
        *,
        points: NDArray,
        labels: NDArray,
        prototype_points: NDArray,
        prototype_labels: NDArray,
        classes: NDArray,
        class_names: Sequence[str] | None = None,
        axis_names: tuple[str, str] = ("component 1", "component 2"),
    ) -> None:
        self.points = points
        self.labels = labels
        self.prototype_points = prototype_points
        self.prototype_labels = prototype_labels
        self.classes = classes
        self.class_names = class_names
        self.axis_names = axis_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        reducer: Any = None,
        class_names: Iterable[Any] | None = None,
        ax: Any = None,
    ) -> Self:
        """Compute a map of samples and prototypes, and draw it.

        Parameters
        ----------
        estimator : estimator
            Fitted prototypical self-explainable model. A `Pipeline` that ends in one
            and a fitted search, `FrozenEstimator` or `RejectingClassifier` around one
            are accepted; the classifier inside is shown.

        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples, as `estimator` takes them.

        y : array-like of shape (n_samples,), default=None
            Their labels. None uses the predicted labels.

        reducer : transformer, default=None
            Transformer that is fitted on embeddings, with at least two output columns;
            the first two are drawn. With a cosine metric, it gets embeddings of length
            one. None fits :class:`~sklearn.decomposition.PCA` on the embeddings of X.

        class_names : sequence of str, default=None
            Names in the order of `classes_`. None uses the labels.

        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        EmbeddingDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If `estimator` is not a prototypical self-explainable model, or if `reducer`
            has no `transform`.

        ValueError
            If `y`, `class_names` or the output of `reducer` does not fit.

        MissingDependencyError
            If matplotlib is not installed.
        """
        sem, Z = find_sem(estimator), embed(estimator, X)
        classes = np.asarray(sem.classes_)
        labels = np.asarray(y) if y is not None else classes[decide(sem, Z).predicted]
        class_codes(classes, labels, "y")
        points, prototype_points, axis_names = _two_columns(sem, Z, reducer)
        check_consistent_length(points, labels)
        display = cls(
            points=points,
            labels=labels,
            prototype_points=prototype_points,
            prototype_labels=np.asarray(sem.prototype_classes_),
            classes=classes,
            class_names=class_texts(classes, class_names),
            axis_names=axis_names,
        )
        return display.plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the map.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        EmbeddingDisplay
            The display itself.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        """
        n_columns = 1 + (len(self.classes) - 1) // 25
        size = (5.6 + 1.3 * min(n_columns, 4), 5.0)
        n_columns = min(n_columns, 4) if ax is None else 1
        self.ax_ = ax = one_axes("EmbeddingDisplay", ax, size)
        self.figure_ = ax.figure
        here, owners = (
            class_codes(self.classes, some)
            for some in (self.labels, self.prototype_labels)
        )
        area = float(np.clip(4000 / len(owners), 36, 90))
        small = {"s": 18, "alpha": 0.6, "linewidths": 0}
        large = {"s": area, "edgecolors": "black", "linewidths": 1, "zorder": 3}
        self.scatters_ = self._scatter(self.points, here, small)
        self.prototype_scatters_ = self._scatter(self.prototype_points, owners, large)
        horizontal, vertical = self.axis_names
        ax.set_xlabel(horizontal, fontsize=8)
        ax.set_ylabel(vertical, fontsize=8)
        ax.tick_params(labelsize=8)
        self.legend_ = self._draw_legend(n_columns, (32 / area) ** 0.5)
        return self

    def _scatter(self, points: NDArray, codes: NDArray, look: dict) -> list[Any]:
        of_classes = [points[codes == code].T for code in range(len(self.classes))]
        return [
            self.ax_.scatter(*some, **style(code), **look)
            for code, some in enumerate(of_classes)
        ]

    def _draw_legend(self, n_columns: int, scale: float) -> Any:
        """List as many classes as there is room for."""
        update_layout(self.ax_)
        room = n_columns * max(2, int((size_of(self.ax_)[1] - 24) / 11))
        names = [short(one) for one in class_texts(self.classes, self.class_names)]
        handles = self.prototype_scatters_[:room]
        if len(names) > room:
            left_out = len(names) - room + 1
            handles = [*handles[:-1], self.ax_.scatter([], [], c="none")]
            names = [*names[: room - 1], f"… {left_out} more classes"]
        legend = self.ax_.legend(
            handles,
            names,
            title="large: prototypes",
            ncols=n_columns,
            markerscale=scale,
            loc="upper left",
            bbox_to_anchor=(1, 1),
            **LEGEND,
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
        return legend

    def frame(self) -> Any:
        """Return the map as a pandas DataFrame, a row for each mark.

        Returns
        -------
        pandas.DataFrame
            Columns `kind`, "sample" or "prototype"; `index`, of the row of X or of the
            prototype; `label`; `x` and `y`, the position on the map.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        pandas = check_dependency("pandas", caller="frame", extra="all")
        places = np.concatenate([self.points, self.prototype_points])
        counts = [len(self.points), len(self.prototype_points)]
        return pandas.DataFrame(
            {
                "kind": np.repeat(["sample", "prototype"], counts),
                "index": np.concatenate([np.arange(n) for n in counts]),
                "label": np.concatenate([self.labels, self.prototype_labels]),
                "x": places[:, 0],
                "y": places[:, 1],
            }
        )


LEGEND: dict[str, Any] = {
    "fontsize": 7,
    "title_fontsize": 7,
    "labelspacing": 0.4,
    "frameon": False,
    "handletextpad": 0.2,
    "columnspacing": 0.8,
}


def _two_columns(
    sem: Any, Z: Any, reducer: Any
) -> tuple[NDArray, NDArray, tuple[str, str]]:
    """Map embeddings and prototype vectors, and name the two dimensions."""
    Z = Z if sparse.issparse(Z) else check_array(Z)
    Z = unit_rows(Z) if metric_of(sem).unit else Z
    vectors = np.asarray(sem.prototypes_)
    if reducer is None:
        reducer = PCA(min(2, *Z.shape), random_state=0).fit(Z)
        shares = [*reducer.explained_variance_ratio_, 0.0]
        first, second = (f"component {i + 1} ({shares[i]:.0%})" for i in range(2))
        points, marks = reducer.transform(Z), reducer.transform(vectors)
        if points.shape[1] == 1:  # a single feature, or a single row
            points, marks = (np.pad(some, ((0, 0), (0, 1))) for some in (points, marks))
        return points, marks, (first, second)
    if not hasattr(reducer, "transform"):
        raise TypeError(
            "reducer must have transform, so that prototypes can be mapped like "
            f"samples; {type(reducer).__name__} has none. Use PCA, UMAP or another "
            "transformer."
        )
    points, marks = (np.asarray(reducer.transform(some)) for some in (Z, vectors))
    if points.ndim != 2 or points.shape[1] < 2:
        raise ValueError(
            f"reducer must return at least two columns; got shape {points.shape}."
        )
    return points[:, :2], marks[:, :2], ("component 1", "component 2")

"""PrototypeDisplay: the prototypes of each class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_kmex._draw.figures import check_axes, class_texts
from sklearn_kmex._draw.pictures import make_scale
from sklearn_kmex._draw.prototypes import (
    Gallery,
    Groups,
    Values,
    plot_gallery,
    plot_table,
)
from sklearn_kmex._model.labels import class_codes
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex.inspection._examples import find_examples
from sklearn_kmex.utils import check_dependency


class PrototypeDisplay:
    """The prototypes of each class, as training examples or as rows of values.

    For pictures it is a gallery with a line for each class, which shows the training
    example that is nearest to each prototype. For a table it has a line of values for
    each prototype. Their colors show the ranks among the training rows of the class,
    from 0 to 1, with 0.5 in the middle. Text has no color.

    Read more in the :ref:`User Guide <displays>`.

    Parameters
    ----------
    prototype_labels : ndarray of shape (n_prototypes,)
        Label of each prototype.

    training_rows : ndarray of shape (n_prototypes,), dtype=intp
        Training row that represents each prototype.

    classes : ndarray of shape (n_classes,)
        Labels, in the order in which classes are drawn.

    class_names : sequence of str, default=None
        Names in the order of `classes`. None uses the labels.

    pictures : ndarray of shape (n_prototypes, h, w) or (n_prototypes, h, w, 3 or 4), \
            default=None
        The training examples, if these are pictures.

    vmin : float, default=0
        Value of `pictures` drawn black.

    vmax : float, default=1
        Value drawn white, for each color.

    values : ndarray of shape (n_prototypes, n_features), default=None
        Values of each prototype, if `pictures` is None.

    ranks : ndarray of shape (n_prototypes, n_features), default=None
        Share of the training rows of the class below each value, in [0, 1]; equal
        values are counted half. NaN for values that are not numbers.

    feature_names : sequence of str, default=None
        Names of the columns of `values`.

    Attributes
    ----------
    axes_ : ndarray of shape (n_blocks,), dtype=object
        The matplotlib Axes: blocks of classes side by side, or one for a table.

    bounding_ax_ : matplotlib Axes or None
        The axes whose place was divided, if one was given.

    figure_ : matplotlib Figure
        The figure that holds them.

    images_ : list of matplotlib AxesImage
        The pictures of each block in one image, or the ranks.

    colorbar_ : matplotlib Colorbar or None
        The scale of the ranks.

    See Also
    --------
    ExplanationDisplay : Samples and the prototypes that they look like.
    EmbeddingDisplay : Samples and prototypes on a map.

    Notes
    -----
    If no step comes before the classifier, prototypes have values in the columns of
    the table, and these are shown. With `prototype="centroid"` they are means.
    Otherwise, and with a cosine metric, whose prototypes are means of rows of length
    one, the values are those of the training row. This is the row nearest to the
    prototype in the space in which prototypes are found.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.inspection import PrototypeDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(2, random_state=0).fit(X, y)
    >>> display = PrototypeDisplay.from_estimator(psem, X, y)
    >>> display.values.shape
    (6, 4)
    """

    def __init__(
        self,
        *,
        prototype_labels: NDArray,
        training_rows: NDArray[np.intp],
        classes: NDArray,
        class_names: Sequence[str] | None = None,
        pictures: NDArray | None = None,
        vmin: float = 0,
        vmax: float = 1,
        values: NDArray | None = None,
        ranks: NDArray | None = None,
        feature_names: Sequence[str] | None = None,
    ) -> None:
        self.prototype_labels = prototype_labels
        self.training_rows = training_rows
        self.classes = classes
        self.class_names = class_names
        self.pictures = pictures
        self.vmin = vmin
        self.vmax = vmax
        self.values = values
        self.ranks = ranks
        self.feature_names = feature_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike | None = None,
        *,
        class_names: Iterable[Any] | None = None,
        feature_names: Sequence[str] | None = None,
        image_shape: tuple[int, ...] | None = None,
        vmin: float | None = None,
        vmax: float | None = None,
        show: Sequence[Any] | None = None,
        max_features: int = 12,
        ax: Any = None,
    ) -> Self:
        """Find the row that represents each prototype, and draw the prototypes.

        Parameters
        ----------
        estimator : estimator
            Fitted prototypical self-explainable model. A `Pipeline` that ends in one
            and a fitted search, `FrozenEstimator` or `RejectingClassifier` around one
            are accepted; the classifier inside is shown.

        X : array-like, frame, list or Dataset
            The rows that `estimator` was fitted on, in the same order.

        y : array-like of shape (n_samples,), default=None
            Their labels. They are required for tables, and for a model that does not
            know the training rows of its prototypes: then the most similar row of the
            class represents each prototype.

        class_names : sequence of str, default=None
            Names in the order of `classes_`. None uses the labels.

        feature_names : sequence of str, default=None
            Names of the columns. None uses those of X, or of the model.

        image_shape : tuple of int, default=None
            Shape of the pictures that are stored as flat rows: (h, w), (h, w, 1),
            (h, w, 3), (h, w, 4), (1, h, w) or (3, h, w). None does not reshape rows.

        vmin, vmax : float, default=None
            Values drawn black and white. None takes them from the dtype, or from all
            pictures.

        show : sequence of labels, default=None
            Classes to draw, in this order. None draws all.

        max_features : int, default=12
            Largest number of columns of a table to draw, the first ones.

        ax : matplotlib Axes, default=None
            Where to draw a table. For pictures, its place is divided. None makes a
            figure.

        Returns
        -------
        PrototypeDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If `estimator` is not a prototypical self-explainable model.

        ValueError
            If X or `y` does not fit the model, or a name or shape does not fit X.

        MissingDependencyError
            If matplotlib is not installed.
        """
        sem = find_sem(estimator)
        scale = make_scale(image_shape, vmin, vmax)
        classes = np.asarray(sem.classes_)
        display = cls(
            prototype_labels=np.asarray(sem.prototype_classes_),
            classes=classes,
            class_names=class_texts(classes, class_names),
            **find_examples(estimator, X, y, scale, feature_names),
        )
        return display.plot(ax, show=show, max_features=max_features)

    def plot(
        self,
        ax: Any = None,
        *,
        show: Sequence[Any] | None = None,
        max_features: int = 12,
    ) -> Self:
        """Draw the prototypes of each class.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw a table. For pictures, its place is divided. None makes a
            figure.

        show : sequence of labels, default=None
            Classes to draw, in this order. None draws all.

        max_features : int, default=12
            Largest number of columns of a table to draw, the first ones.

        Returns
        -------
        PrototypeDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `show` has no class with prototypes, or if `max_features` is not a
            positive int.

        MissingDependencyError
            If matplotlib is not installed.
        """
        check_axes(ax)
        groups = self._groups(show)
        if not isinstance(max_features, int | np.integer) or max_features < 1:
            raise ValueError(
                f"max_features must be an int of at least 1; got {max_features!r}."
            )
        if self.pictures is None:
            assert self.values is not None
            assert self.ranks is not None
            assert self.feature_names is not None
            table = Values(self.values, self.ranks, self.feature_names)
            drawn = plot_table(table, ax, groups, int(max_features))
            self.axes_, self.images_ = np.array(drawn[:1]), [drawn[1]]
            self.bounding_ax_, self.colorbar_ = None, drawn[2]
        else:
            gallery = Gallery(self.pictures, self.vmin, self.vmax)
            self.axes_, self.colorbar_ = plot_gallery(gallery, ax, groups), None
            self.images_ = [block.images[0] for block in self.axes_]
            self.bounding_ax_ = ax
        self.figure_ = self.axes_[0].figure
        return self

    def _groups(self, show: Sequence[Any] | None) -> Groups:
        """List the classes to draw, with their prototypes."""
        names = class_texts(self.classes, self.class_names)
        codes = class_codes(self.classes, self.prototype_labels)
        wanted = np.arange(len(self.classes))
        if show is not None:
            wanted = class_codes(self.classes, np.asarray(show), "show")
        groups = [(names[code], np.flatnonzero(codes == code)) for code in wanted]
        groups = [group for group in groups if len(group[1])]
        if not groups:
            raise ValueError(
                f"show must contain a class with prototypes; got {show!r}."
            )
        return groups

    def frame(self) -> Any:
        """Return the prototypes as a pandas DataFrame.

        Returns
        -------
        pandas.DataFrame
            For pictures a row for each prototype, with columns `prototype`,
            `prototype_label` and `training_row`. For a table a row for each value, with
            the additional columns `feature`, `value` and `rank`.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        pandas = check_dependency("pandas", caller="frame", extra="all")
        columns: dict[str, Any] = {
            "prototype": np.arange(len(self.training_rows)),
            "prototype_label": self.prototype_labels,
            "training_row": self.training_rows,
        }
        if self.values is not None:
            n_rows, n_columns = self.values.shape
            assert self.feature_names is not None
            assert self.ranks is not None
            columns = {name: np.repeat(c, n_columns) for name, c in columns.items()}
            columns["feature"] = np.tile(self.feature_names, n_rows)
            columns["value"] = self.values.ravel()
            columns["rank"] = self.ranks.ravel()
        return pandas.DataFrame(columns)

"""ExplanationDisplay: samples and the examples that they look like."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_kmex._draw.explanation import plot_explanation
from sklearn_kmex._draw.figures import check_axes, class_texts
from sklearn_kmex._draw.pictures import make_scale
from sklearn_kmex._model.labels import class_codes
from sklearn_kmex.explain import Explanation, explain
from sklearn_kmex.utils import check_dependency


class ExplanationDisplay:
    """Samples, the training examples that they look like, and relevance maps.

    A sample is drawn with the training examples of its nearest prototypes, the members
    of the winning prototype that are most like it, the similarities, and relevance maps
    if there are any. For tables, and without training examples, the similarities are
    drawn as bars.

    Read more in the :ref:`User Guide <displays>`.

    Parameters
    ----------
    explanation : Explanation
        Result of :func:`~sklearn_kmex.explain.explain`.

    Attributes
    ----------
    axes_ : ndarray of shape (n_rows, n_columns), dtype=object
        The matplotlib Axes; those without content are off.

    bounding_ax_ : matplotlib Axes or None
        The axes whose place was divided, if one was given.

    figure_ : matplotlib Figure
        The figure that holds them.

    See Also
    --------
    sklearn_kmex.explain.explain : The data behind this display.
    PrototypeDisplay : All prototypes of a model.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.inspection import ExplanationDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> psem = KMExClassifier(2, random_state=0).fit(X[:500], y[:500])
    >>> display = ExplanationDisplay.from_estimator(
    ...     psem, X[500:502], X_train=X[:500], image_shape=(8, 8)
    ... )
    >>> len(display.axes_)
    2
    """

    def __init__(self, *, explanation: Explanation) -> None:
        self.explanation = explanation

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        *,
        X_train: Any = None,
        y_train: ArrayLike | None = None,
        n_members: int = 3,
        n_prototypes: int = 3,
        relevance: Any = None,
        class_names: Iterable[Any] | None = None,
        image_shape: tuple[int, ...] | None = None,
        vmin: float | None = None,
        vmax: float | None = None,
        max_samples: int = 10,
        ax: Any = None,
    ) -> Self:
        """Explain samples, and draw the first of them.

        Parameters
        ----------
        estimator : estimator
            Fitted prototypical self-explainable model. A `Pipeline` that ends in one
            and a fitted search, `FrozenEstimator` or `RejectingClassifier` around one
            are accepted; the classifier inside is shown.

        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples to explain, as `estimator` takes them.

        X_train : array-like, frame, list or Dataset, default=None
            The rows that `estimator` was fitted on, in the same order. None draws no
            training examples.

        y_train : array-like of shape (n_train,), default=None
            Labels of `X_train`. None takes the predicted classes.

        n_members : int, default=3
            Number of members of the winning prototype that are most like the sample, as
            in :func:`~sklearn_kmex.explain.explain`. 0 draws none, and does not embed
            `X_train`.

        n_prototypes : int, default=3
            Number of nearest prototypes of each sample.

        relevance : True, str, array-like or callable, default=None
            Relevance maps, as in :func:`~sklearn_kmex.explain.explain`. None draws
            none.

        class_names : sequence of str, default=None
            Names in the order of `classes_`. None uses the labels.

        image_shape : tuple of int, default=None
            Shape of the pictures that are stored as flat samples. None does not
            reshape samples.

        vmin, vmax : float, default=None
            Values drawn black and white. None takes them from the dtype, or from all
            pictures.

        max_samples : int, default=10
            Largest number of samples to draw, the first ones.

        ax : matplotlib Axes, default=None
            Axes whose place is divided; it is hidden. None makes a figure.

        Returns
        -------
        ExplanationDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If `estimator` is not a prototypical self-explainable model.

        ValueError
            If `X_train`, `y_train`, `relevance`, `class_names` or `image_shape` does
            not fit.

        MissingDependencyError
            If matplotlib is not installed.
        """
        found = explain(
            estimator,
            X,
            n_prototypes=n_prototypes,
            X_train=X_train,
            y_train=y_train,
            n_members=n_members,
            relevance=relevance,
        )
        if class_names is not None:
            found = _named(found, class_names)
        return cls(explanation=found).plot(
            ax,
            image_shape=image_shape,
            vmin=vmin,
            vmax=vmax,
            max_samples=max_samples,
        )

    def plot(
        self,
        ax: Any = None,
        *,
        image_shape: tuple[int, ...] | None = None,
        vmin: float | None = None,
        vmax: float | None = None,
        max_samples: int = 10,
    ) -> Self:
        """Draw the first samples.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes whose place is divided; it is hidden. None makes a figure.

        image_shape : tuple of int, default=None
            Shape of the pictures that are stored as flat samples. None does not
            reshape samples.

        vmin, vmax : float, default=None
            Values drawn black and white. None takes them from the dtype, or from all
            pictures.

        max_samples : int, default=10
            Largest number of samples to draw, the first ones.

        Returns
        -------
        ExplanationDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `image_shape` does not fit, or if there is no sample.

        MissingDependencyError
            If matplotlib is not installed.
        """
        check_axes(ax)
        pyplot = check_dependency(
            "matplotlib.pyplot", caller="ExplanationDisplay", extra="plot"
        )
        scale = make_scale(image_shape, vmin, vmax)
        self.axes_ = plot_explanation(pyplot, self.explanation, scale, max_samples, ax)
        self.bounding_ax_ = ax
        self.figure_ = self.axes_.flat[0].figure
        return self

    def frame(self) -> Any:
        """Return the evidence as a pandas DataFrame, a row for each prototype shown.

        Returns
        -------
        pandas.DataFrame
            As returned by
            :meth:`Explanation.frame <sklearn_kmex.explain.Explanation.frame>`.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        return self.explanation.frame()


def _named(explanation: Explanation, class_names: Iterable[Any]) -> Explanation:
    """Replace labels by names."""
    classes = explanation.classes
    names = np.array(class_texts(classes, class_names))

    def of(labels: NDArray) -> NDArray:
        return names[class_codes(classes, labels)]

    return replace(
        explanation,
        predictions=of(explanation.predictions),
        runner_up=of(explanation.runner_up),
        prototype_classes=of(explanation.prototype_classes),
        classes=names,
    )

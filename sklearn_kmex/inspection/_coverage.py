"""CoverageDisplay: accuracy when a share of the samples is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_consistent_length

from sklearn_kmex._draw.figures import COLOURS, one_axes
from sklearn_kmex._model.decision import class_probabilities, decide
from sklearn_kmex._model.labels import class_codes
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.steps import embed
from sklearn_kmex.metrics import coverage_curve
from sklearn_kmex.utils import check_dependency

LABELS = {
    "similarity": "by similarity",
    "probability": "by probability",
}
LINES = ("-", "--", "-.", ":")
MIN_COVERAGE = 0.05  # smallest coverage for which the axis leaves room


class CoverageDisplay:
    """Accuracy on accepted samples, against the share of accepted samples.

    Samples are accepted in the order of a score, largest first: the similarity to the
    nearest prototype, or the probability of the predicted class.

    Read more in the :ref:`User Guide <displays>`.

    Parameters
    ----------
    curves : dict of str to tuple of ndarrays
        Curve of each score, as returned by
        :func:`~sklearn_kmex.metrics.coverage_curve`: coverage, accuracy and thresholds,
        each of shape (n_thresholds,).

    accuracy : float
        Accuracy on all samples, in [0, 1].

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn into.

    figure_ : matplotlib Figure
        The figure that holds it.

    lines_ : list of matplotlib Line2D
        The curves.

    all_ : matplotlib Line2D
        Accuracy on all samples.

    See Also
    --------
    sklearn_kmex.metrics.coverage_curve : The curve.
    sklearn_kmex.RejectingClassifier : Refuses samples below a threshold.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.inspection import CoverageDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(2, random_state=0).fit(X[::2], y[::2])
    >>> display = CoverageDisplay.from_estimator(psem, X[1::2], y[1::2])
    >>> sorted(display.curves)
    ['probability', 'similarity']
    """

    def __init__(
        self,
        *,
        curves: Mapping[str, tuple[NDArray, NDArray, NDArray]],
        accuracy: float,
    ) -> None:
        self.curves = curves
        self.accuracy = accuracy

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        methods: Sequence[str] | None = None,
        ax: Any = None,
    ) -> Self:
        """Compute the curves, and draw them.

        Parameters
        ----------
        estimator : estimator
            Fitted prototypical self-explainable model. A `Pipeline` that ends in one
            and a fitted search, `FrozenEstimator` or `RejectingClassifier` around one
            are accepted; the classifier inside is shown.

        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples that the model was not fitted on.

        y : array-like of shape (n_samples,)
            Their labels.

        methods : sequence of {"similarity", "probability"}, default=None
            Scores by which samples are ordered. None uses both, or only the first if
            the model has no `predict_proba`.

        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        CoverageDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If `estimator` is not a prototypical self-explainable model.

        ValueError
            If `y` does not fit, a method is unknown, or the model has no probabilities.

        MissingDependencyError
            If matplotlib is not installed.
        """
        sem, labels = find_sem(estimator), np.asarray(y)
        methods = _check_methods(methods, hasattr(sem, "predict_proba"))
        Z = embed(estimator, X)
        found = decide(estimator, Z)
        check_consistent_length(found.predicted, labels)
        codes = class_codes(found.classes, labels, "y")
        scores = {"similarity": found.similarities.max(axis=1)}
        if "probability" in methods:
            chances = class_probabilities(sem, Z)
            assert chances is not None  # as the methods were checked
            scores["probability"] = chances.max(axis=1)
        curves = {
            name: coverage_curve(codes, found.predicted, scores[name])
            for name in methods
        }
        accuracy = float(np.mean(codes == found.predicted))
        return cls(curves=curves, accuracy=accuracy).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw a line for each score.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        CoverageDisplay
            The display itself.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        """
        self.ax_ = ax = one_axes("CoverageDisplay", ax, (5, 3.6))
        self.figure_ = ax.figure
        self.all_ = ax.axhline(self.accuracy, color="0.5", linewidth=1, zorder=1)
        self.all_.set_label("all samples")
        self.lines_ = [
            ax.plot(*curve[:2], line, color=colour, label=LABELS.get(name, name))[0]
            for (name, curve), line, colour in zip(
                self.curves.items(), cycle(LINES), cycle(COLOURS), strict=False
            )
        ]
        ax.set(xlim=(0, 1), ylim=self._limits())
        ax.set_xlabel("share of samples accepted", fontsize=8)
        ax.set_ylabel("accuracy on these", fontsize=8)
        ax.tick_params(labelsize=8)
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False, fontsize=8, loc="lower left")
        return self

    def _limits(self) -> tuple[float, float]:
        """Leave room for the curves, except for the accuracy on very few samples."""
        shown = [self.accuracy]
        for coverage, accuracy, _ in self.curves.values():
            shown.extend(accuracy[coverage >= MIN_COVERAGE])
        room = 0.05 * (max(shown) - min(shown)) + 0.002
        return min(shown) - 5 * room, min(max(shown) + room, 1.002)

    def frame(self) -> Any:
        """Return the curves as a pandas DataFrame, a row for each threshold.

        Returns
        -------
        pandas.DataFrame
            Columns `method`, `coverage`, `accuracy` and `threshold`.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        pandas = check_dependency("pandas", caller="frame", extra="all")
        columns = ("coverage", "accuracy", "threshold")
        parts = [
            pandas.DataFrame({"method": name, **dict(zip(columns, curve, strict=True))})
            for name, curve in self.curves.items()
        ]
        return pandas.concat(parts, ignore_index=True)


def _check_methods(methods: Sequence[str] | None, has_proba: bool) -> list[str]:
    """Return the scores to use; refuse those that the model does not have."""
    if methods is None:
        return list(LABELS)[: 1 + has_proba]
    methods = [methods] if isinstance(methods, str) else list(methods)
    unknown = [name for name in methods if name not in LABELS]
    if unknown or not methods:
        raise ValueError(
            f"methods must be among {list(LABELS)}; got {unknown or methods}."
        )
    if "probability" in methods and not has_proba:
        raise ValueError(
            "methods must not contain 'probability' for a model without predict_proba; "
            "use 'similarity'."
        )
    return methods

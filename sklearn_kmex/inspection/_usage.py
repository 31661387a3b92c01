"""UsageDisplay: how often each prototype decides, and how often correctly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_consistent_length

from sklearn_kmex._draw.figures import (
    COLOURS,
    Labels,
    class_texts,
    one_axes,
    set_labels,
    short,
)
from sklearn_kmex._model.labels import class_codes
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.steps import activations
from sklearn_kmex.metrics import prototype_usage
from sklearn_kmex.utils import check_dependency


class UsageDisplay:
    """How often each prototype decides, how often correctly, and which never do.

    A prototype decides on the samples that are more similar to it than to any other
    prototype, by weighted similarity if prototypes have unequal weights. The decision
    is correct for samples of its class.

    Read more in the :ref:`User Guide <displays>`.

    Parameters
    ----------
    usage : ndarray of shape (n_prototypes,), dtype=intp
        Number of samples that each prototype decides on.

    n_correct : ndarray of shape (n_prototypes,), dtype=intp
        Number of these samples that are of its class.

    prototype_labels : ndarray of shape (n_prototypes,)
        Label of each prototype.

    classes : ndarray of shape (n_classes,)
        Labels, in the order in which classes are drawn.

    class_names : sequence of str, default=None
        Names in the order of `classes`. None uses the labels.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn into.

    figure_ : matplotlib Figure
        The figure that holds it.

    correct_, wrong_ : matplotlib StepPatch
        The bars of the prototypes, ordered by class.

    ghosts_ : matplotlib PathCollection
        Marks of the prototypes that decide on no sample.

    See Also
    --------
    sklearn_kmex.metrics.prototype_usage : The counts.
    sklearn_kmex.metrics.ghosting_rate : The share of prototypes that never decide.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.inspection import UsageDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(2, random_state=0).fit(X, y)
    >>> display = UsageDisplay.from_estimator(psem, X, y)
    >>> int(display.usage.sum())
    150
    """

    def __init__(
        self,
        *,
        usage: NDArray[np.intp],
        n_correct: NDArray[np.intp],
        prototype_labels: NDArray,
        classes: NDArray,
        class_names: Sequence[str] | None = None,
    ) -> None:
        self.usage = usage
        self.n_correct = n_correct
        self.prototype_labels = prototype_labels
        self.classes = classes
        self.class_names = class_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        class_names: Iterable[Any] | None = None,
        ax: Any = None,
    ) -> Self:
        """Count the decisions about samples, and draw the counts.

        Parameters
        ----------
        estimator : estimator
            Fitted prototypical self-explainable model. A `Pipeline` that ends in one
            and a fitted search, `FrozenEstimator` or `RejectingClassifier` around one
            are accepted; the classifier inside is shown.

        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples, as `estimator` takes them.

        y : array-like of shape (n_samples,)
            Their labels.

        class_names : sequence of str, default=None
            Names in the order of `classes_`. None uses the labels.

        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        UsageDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If `estimator` is not a prototypical self-explainable model.

        ValueError
            If `y` or `class_names` does not fit.

        MissingDependencyError
            If matplotlib is not installed.
        """
        sem, labels = find_sem(estimator), np.asarray(y)
        owners, classes = np.asarray(sem.prototype_classes_), np.asarray(sem.classes_)
        active = activations(estimator, X)
        check_consistent_length(active, labels)
        right = active[owners[active] == labels]
        display = cls(
            usage=prototype_usage(active, len(owners)),
            n_correct=np.bincount(right, minlength=len(owners)),
            prototype_labels=owners,
            classes=classes,
            class_names=class_texts(classes, class_names),
        )
        return display.plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw a bar for each prototype.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        UsageDisplay
            The display itself.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        """
        order, places, middles = self._places()
        width = float(np.clip(1.5 + 0.16 * places[-1], 5, 16))
        self.ax_ = ax = one_axes("UsageDisplay", ax, (width, 3.6))
        self.figure_ = ax.figure
        usage, right = self.usage[order], self.n_correct[order]
        self._draw_bars(places, usage, right)
        ghosts = places[usage == 0]
        self.ghosts_ = ax.scatter(ghosts, 0 * ghosts, marker="x", **GHOST)
        self.ghosts_.set_label(f"never decides ({len(ghosts)})")
        kinds = [self.correct_, self.wrong_, *([self.ghosts_] if len(ghosts) else [])]
        ax.legend(handles=kinds, ncols=3, frameon=False, fontsize=8, **ABOVE)
        ax.set(xlim=(-1, places[-1] + 1), ylim=(0, None))
        ax.set_xlabel("prototypes, by class", fontsize=8)
        ax.set_ylabel("number of samples", fontsize=8)
        ax.tick_params(axis="y", labelsize=8)
        ax.spines[["top", "right"]].set_visible(False)
        names = class_texts(self.classes, self.class_names)
        shown = [short(names[code]) for code in middles]
        set_labels(Labels(ax.xaxis, list(middles.values()), shown, (0, 90)))
        return self

    def _draw_bars(self, places: NDArray, usage: NDArray, right: NDArray) -> None:
        edges = np.column_stack([places - 0.42, places + 0.42]).ravel()
        low, high = _with_gaps(right), _with_gaps(usage)
        self.correct_ = self.ax_.stairs(low, edges, fill=True, color=COLOURS[0])
        self.wrong_ = self.ax_.stairs(
            high, edges, baseline=low, fill=True, hatch="////", linewidth=0
        )
        self.wrong_.set(facecolor=COLOURS[1], edgecolor="black", label="wrong")
        self.correct_.set_label("correct")

    def _places(self) -> tuple[NDArray, NDArray, dict[int, float]]:
        """Order prototypes by class, with gaps between classes; return the middles."""
        codes = class_codes(self.classes, self.prototype_labels)
        order = np.argsort(codes, kind="stable")
        groups = np.unique(codes[order], return_inverse=True)[1]
        places = np.arange(len(order)) + 1.0 * groups
        ranges = {int(c): places[codes[order] == c] for c in np.unique(codes)}
        return order, places, {c: float(some.mean()) for c, some in ranges.items()}

    def frame(self) -> Any:
        """Return the counts as a pandas DataFrame, a row for each prototype.

        Returns
        -------
        pandas.DataFrame
            Columns `prototype`, `prototype_label`, `usage`, `n_correct`,
            `share_correct` (NaN if the prototype decides on no sample) and `ghost`.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        pandas = check_dependency("pandas", caller="frame", extra="all")
        ghost = self.usage == 0
        share = np.full(len(ghost), np.nan)
        share[~ghost] = self.n_correct[~ghost] / self.usage[~ghost]
        return pandas.DataFrame(
            {
                "prototype": np.arange(len(ghost)),
                "prototype_label": self.prototype_labels,
                "usage": self.usage,
                "n_correct": self.n_correct,
                "share_correct": share,
                "ghost": ghost,
            }
        )


GHOST: dict[str, Any] = {"s": 22, "color": "black", "clip_on": False, "zorder": 3}
ABOVE: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1)}


def _with_gaps(values: NDArray) -> NDArray:
    """Insert zeros between the bars of a staircase."""
    gapped = np.zeros(2 * len(values) - 1)
    gapped[::2] = values
    return gapped

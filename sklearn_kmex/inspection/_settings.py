"""SearchDisplay: how well prototypes decide by each setting that was compared."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._draw.figures import COLOURS, Labels, one_axes, set_labels
from sklearn_kmex._model.compared import compared_settings
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex.utils import check_dependency


class SearchDisplay:
    """Held-out scores of the settings that a classifier chose from, and the choice.

    A line is one way in which prototypes decide: a metric with a similarity, an
    aggregation and priors. Its score is that of its best number of prototypes. Lines
    are sorted by score, the best on top.

    Read more in the :ref:`User Guide <displays>`.

    Parameters
    ----------
    settings : list of dict
        Parameters of each line, without `n_prototypes`, best first.

    n_prototypes : list
        The best number of prototypes of each line.

    mean_scores : ndarray of shape (n_settings,)
        Mean held-out scores at this number; higher is better.

    standard_errors : ndarray of shape (n_settings,)
        Standard errors of the mean difference from the best score, in the unit of the
        scores; 0 for the best.

    accepted : ndarray of shape (n_settings,), dtype=bool
        Whether any number of prototypes of a line was accepted as good enough.

    chosen : int
        Index of the line that was chosen.

    chosen_n_prototypes : object
        The number of prototypes that was chosen; it may be smaller than the best.

    chosen_score : float
        Mean held-out score of the choice.

    score_name : str, default="score"
        Name of the scores.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn into.

    figure_ : matplotlib Figure
        The figure that holds it.

    errors_ : matplotlib ErrorbarContainer
        The scores, with one standard error on either side.

    accepted_ : matplotlib Line2D
        Marks of the accepted settings.

    best_ : matplotlib Line2D
        The best score.

    chosen_ : matplotlib Line2D
        The choice.

    See Also
    --------
    PrototypeCountDisplay : Scores over the number of prototypes.
    sklearn_kmex.KMExClassifierCV : Compares settings, and chooses one.

    Notes
    -----
    The choice is the setting with the fewest prototypes among those whose score is
    within the tolerance of the best, by default one standard error of the difference;
    then the one closest to the setting of the paper. A metric that a search gave up
    early is shown at the best of the few numbers that were tried with it. With
    `per_class=True`, the number of prototypes may be smaller for some classes.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifierCV
    >>> from sklearn_kmex.inspection import SearchDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifierCV([1, 2, 5], random_state=0).fit(X, y)
    >>> display = SearchDisplay.from_estimator(psem)
    >>> display.settings[display.chosen]["metric"] == psem.metric_
    True
    """

    def __init__(
        self,
        *,
        settings: list[dict[str, Any]],
        n_prototypes: list[Any],
        mean_scores: NDArray[np.float64],
        standard_errors: NDArray[np.float64],
        accepted: NDArray[np.bool_],
        chosen: int,
        chosen_n_prototypes: Any,
        chosen_score: float,
        score_name: str = "score",
    ) -> None:
        self.settings = settings
        self.n_prototypes = n_prototypes
        self.mean_scores = mean_scores
        self.standard_errors = standard_errors
        self.accepted = accepted
        self.chosen = chosen
        self.chosen_n_prototypes = chosen_n_prototypes
        self.chosen_score = chosen_score
        self.score_name = score_name

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> Self:
        """Read what a classifier compared, and draw it.

        Parameters
        ----------
        estimator : estimator
            Fitted :class:`~sklearn_kmex.KMExClassifierCV`, fitted
            :class:`~sklearn_kmex.KMExClassifier` with parameters that are "auto", or a
            `Pipeline`, search or `RejectingClassifier` with one inside.

        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        SearchDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If no such classifier is inside `estimator`.

        MissingDependencyError
            If matplotlib is not installed.
        """
        sem = find_sem(estimator)
        found = compared_settings(sem)
        if found is None:
            raise TypeError(
                "estimator must be a fitted KMExClassifierCV, or a fitted "
                "KMExClassifier with parameters that are 'auto'; got "
                f"{type(sem).__name__}, which compared nothing."
            )
        return cls(**found._asdict()).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw a line for each setting.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        SearchDisplay
            The display itself.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        """
        places = np.arange(len(self.settings))
        size = (6.5, 1.3 + 0.26 * len(places))
        self.ax_ = ax = one_axes("SearchDisplay", ax, size)
        self.figure_ = ax.figure
        self._draw_scores(places)
        ax.set_ylim(len(places) - 0.4, -0.6)
        what = f"held-out {self.score_name}"
        ax.set_xlabel(what, fontsize=8, parse_math=False)
        ax.tick_params(labelsize=8)
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(fontsize=8, ncols=4, frameon=False, **ABOVE)
        set_labels(Labels(ax.yaxis, places.tolist(), self._texts()))
        return self

    def _draw_scores(self, places: NDArray[np.intp]) -> None:
        ax, means, blue = self.ax_, self.mean_scores, COLOURS[0]
        self.best_ = ax.axvline(means.max(), ls="--", color="dimgray", label="best")
        bars = {"xerr": self.standard_errors, "fmt": "o", "color": blue}
        self.errors_ = ax.errorbar(means, places, **bars, markerfacecolor="white")
        self.errors_.set_label("± one standard error")
        kept = means[self.accepted], places[self.accepted]
        filled = {"color": blue, "label": "accepted", "zorder": 3}
        (self.accepted_,) = ax.plot(*kept, "o", **filled)
        look = {"color": "black", "markersize": 9, "markerfacecolor": "none"}
        (self.chosen_,) = ax.plot(self.chosen_score, self.chosen, "s", **look)
        self.chosen_.set_label(f"chosen, {_number(self.chosen_n_prototypes)}")

    def _texts(self) -> list[str]:
        """Name each line by the parameters that differ, and its best number."""
        names = [name for name in self.settings[0] if name != "shrinkage"]
        differ = [n for n in names if len({str(s[n]) for s in self.settings}) > 1]
        texts = []
        for one, number in zip(self.settings, self.n_prototypes, strict=True):
            parts = [str(one[name]) for name in differ or names]
            if "mahalanobis" in one["metric"] and one["shrinkage"] != "auto":
                parts.append(f"shrinkage {one['shrinkage']:g}")
            texts.append(", ".join([*parts, _number(number)]))
        return texts

    def frame(self) -> Any:
        """Return the settings as a pandas DataFrame, best first.

        Returns
        -------
        pandas.DataFrame
            A column for each parameter, and `n_prototypes`, `mean_score`,
            `standard_error`, `accepted` and `chosen`.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        pandas = check_dependency("pandas", caller="frame", extra="all")
        names = list(self.settings[0])
        return pandas.DataFrame(
            {
                **{name: [one[name] for one in self.settings] for name in names},
                "n_prototypes": self.n_prototypes,
                "mean_score": self.mean_scores,
                "standard_error": self.standard_errors,
                "accepted": self.accepted,
                "chosen": np.arange(len(self.settings)) == self.chosen,
            }
        )


ABOVE: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1, 1)}


def _number(n_prototypes: Any) -> str:
    """Name a number of prototypes, a share of the rows, or numbers by class."""
    if isinstance(n_prototypes, Mapping):
        return "given numbers of prototypes"
    if isinstance(n_prototypes, Integral):
        return f"{n_prototypes} prototype{'' if n_prototypes == 1 else 's'}"
    return f"{n_prototypes:.3g} of the rows"

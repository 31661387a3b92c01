"""PrototypeCountDisplay: held-out scores over the number of prototypes."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._draw.figures import COLOURS, Labels, one_axes, set_labels
from sklearn_kmex.inspection._curve import find_curve
from sklearn_kmex.utils import check_dependency


class PrototypeCountDisplay:
    """Held-out scores over the number of prototypes, and the number chosen.

    Read more in the :ref:`User Guide <displays>`.

    Parameters
    ----------
    n_prototypes : ndarray of shape (n_numbers,)
        Numbers of prototypes of each class, or shares of its rows, ascending.

    mean_scores : ndarray of shape (n_numbers,)
        Mean held-out scores over the folds; higher is better.

    standard_errors : ndarray of shape (n_numbers,)
        Standard errors in the unit of the scores: of the difference from the best
        setting if `best_score` is given, otherwise of the means.

    score_name : str, default="score"
        Name of the scores.

    chosen : tuple of float, default=None
        The smallest and the largest number chosen for a class. None draws none.

    accepted : ndarray of shape (n_numbers,), dtype=bool, default=None
        Whether each number was accepted as good enough. None marks none.

    best_score : float, default=None
        Mean score of the best of all settings that were compared. None draws none.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn into.

    figure_ : matplotlib Figure
        The figure that holds it.

    line_ : matplotlib Line2D
        The means.

    band_ : matplotlib PolyCollection
        One standard error above and below the means.

    accepted_ : matplotlib Line2D or None
        Marks of the accepted numbers.

    best_ : matplotlib Line2D or None
        The score of the best setting.

    chosen_ : matplotlib Line2D, Patch or None
        A line at the number chosen, or a band if it differs between classes.

    See Also
    --------
    SearchDisplay : Other parameters that were compared.
    sklearn_kmex.KMExClassifierCV : Chooses the number.
    sklearn.model_selection.GridSearchCV : Chooses any parameter.

    Notes
    -----
    For :class:`~sklearn_kmex.KMExClassifierCV` and
    :class:`~sklearn_kmex.KMExClassifier`, the standard error is that of the mean
    difference from the best setting over the held-out rows, so that it is 0 for the
    best. A number is accepted if its band reaches the score of the best. For other
    searches, it is the standard deviation over the folds, with one degree of freedom
    less than there are folds, divided by the square root of their number. As folds
    share training rows, it tends to be too small. It is NaN for a single fold, and no
    band is drawn.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifierCV
    >>> from sklearn_kmex.inspection import PrototypeCountDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifierCV(5, random_state=0).fit(X, y)
    >>> display = PrototypeCountDisplay.from_estimator(psem)
    >>> display.n_prototypes
    array([1, 2, 3, 4, 5])
    >>> display.frame().columns.tolist()
    ['n_prototypes', 'mean_score', 'standard_error', 'chosen', 'accepted']
    """

    def __init__(
        self,
        *,
        n_prototypes: NDArray,
        mean_scores: NDArray,
        standard_errors: NDArray,
        score_name: str = "score",
        chosen: tuple[float, float] | None = None,
        accepted: NDArray[np.bool_] | None = None,
        best_score: float | None = None,
    ) -> None:
        self.n_prototypes = n_prototypes
        self.mean_scores = mean_scores
        self.standard_errors = standard_errors
        self.score_name = score_name
        self.chosen = chosen
        self.accepted = accepted
        self.best_score = best_score

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, scoring: str | None = None, ax: Any = None
    ) -> Self:
        """Read the curve of a search, and draw it.

        Parameters
        ----------
        estimator : estimator
            Fitted :class:`~sklearn_kmex.KMExClassifierCV`, fitted
            :class:`~sklearn_kmex.KMExClassifier` with `n_prototypes="auto"`, a
            :class:`~sklearn.pipeline.Pipeline` that ends in one of these, or a fitted
            :class:`~sklearn.model_selection.GridSearchCV` over `n_prototypes`, also
            that of a step. If it searched other parameters as well, these are fixed at
            the chosen values.

        scoring : str, default=None
            Name of one of several scores of a search. None is the score used to choose.

        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        PrototypeCountDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If `estimator` is not a fitted search.

        ValueError
            If it did not compare several numbers of `n_prototypes`, or has no such
            score.

        MissingDependencyError
            If matplotlib is not installed.
        """
        curve = find_curve(estimator, scoring)
        display = cls(
            n_prototypes=curve.numbers,
            mean_scores=curve.means,
            standard_errors=curve.errors,
            score_name=curve.name,
            chosen=curve.chosen,
            accepted=curve.accepted,
            best_score=curve.best,
        )
        return display.plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        PrototypeCountDisplay
            The display itself.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        """
        self.ax_ = ax = one_axes("PrototypeCountDisplay", ax, (5.5, 3.6))
        self.figure_ = ax.figure
        numbers, mean, error = self.n_prototypes, self.mean_scores, self.standard_errors
        (self.line_,) = ax.plot(numbers, mean, "o-", color=COLOURS[0], label="mean")
        self.band_ = ax.fill_between(
            numbers, mean - error, mean + error, color=COLOURS[0], alpha=0.25
        )
        known = np.isfinite(error).any()  # labels that start with "_" are not shown
        label = "± one standard error" if known else "_no standard error"
        self.band_.set(linewidth=0, label=label)
        self.accepted_, self.best_ = self._draw_accepted(), None
        if self.best_score is not None:
            self.best_ = ax.axhline(self.best_score, ls="--", color="dimgray")
            self.best_.set_label("best setting")
        self.chosen_ = self._draw_chosen()
        whole = np.issubdtype(np.asarray(numbers).dtype, np.integer)
        what = "prototypes per class" if whole else "prototypes, share of the rows"
        ax.set_xlabel(what, fontsize=8)
        ax.set_ylabel(f"held-out {self.score_name}", fontsize=8, parse_math=False)
        ax.tick_params(labelsize=8)
        ax.legend(fontsize=8)
        set_labels(Labels(ax.xaxis, list(numbers), [f"{n:g}" for n in numbers]))
        return self

    def _draw_accepted(self) -> Any:
        if self.accepted is None:
            return None
        self.line_.set_markerfacecolor("white")
        kept = self.n_prototypes[self.accepted], self.mean_scores[self.accepted]
        return self.ax_.plot(*kept, "o", color=COLOURS[0], label="accepted")[0]

    def _draw_chosen(self) -> Any:
        if self.chosen is None:
            return None
        low, high = self.chosen
        if low == high:
            return self.ax_.axvline(low, ls=":", color="black", label="chosen")
        text = f"chosen, {low:g} to {high:g} by class"
        return self.ax_.axvspan(low, high, color="0.92", zorder=0, label=text)

    def frame(self) -> Any:
        """Return the curve as a pandas DataFrame, a row for each number.

        Returns
        -------
        pandas.DataFrame
            Columns `n_prototypes`, `mean_score`, `standard_error` and `chosen`, which
            is True from the smallest to the largest number chosen; and `accepted`, if
            it is known.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        pandas = check_dependency("pandas", caller="frame", extra="all")
        numbers = np.asarray(self.n_prototypes)
        low, high = (np.inf, -np.inf) if self.chosen is None else self.chosen
        columns = {
            "n_prototypes": numbers,
            "mean_score": self.mean_scores,
            "standard_error": self.standard_errors,
            "chosen": (low <= numbers) & (numbers <= high),
        }
        if self.accepted is not None:
            columns["accepted"] = self.accepted
        return pandas.DataFrame(columns)

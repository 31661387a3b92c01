"""The number of prototypes of each class, chosen by rows that were held out."""

import warnings
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold
from sklearn.utils.parallel import delayed

from sklearn_kmex._data.arrays import to_numpy
from sklearn_kmex._data.chunked import is_dask
from sklearn_kmex._data.jobs import Task, run, subtask
from sklearn_kmex._data.rows import Rows, take
from sklearn_kmex._fit.prototypes import prototype_path
from sklearn_kmex._fit.temperature import fit_temperature
from sklearn_kmex._fit.validation import class_priors
from sklearn_kmex._model.similarity import add_priors

AUTO_COUNTS = range(1, 11)
AUTO_FOLDS = 5


class HeldOut(NamedTuple):
    """Class scores of held-out rows, for each count of prototypes of the class."""

    scores: NDArray  # (n_rows, n_classes, n_counts)
    codes: NDArray[np.intp]  # true classes
    weights: NDArray[np.float64]

    def balanced(self) -> "HeldOut":
        """Give each class the same weight."""
        mass = np.bincount(self.codes, self.weights)
        return self._replace(weights=self.weights / mass[self.codes])


class Choice(NamedTuple):
    """Places of counts chosen for each class, and what they were chosen by."""

    places: NDArray[np.intp]  # in the counts of each class
    curve: NDArray[np.float64]  # accuracies with equal places, (n_counts, n_folds)
    wanted: float  # accuracy to be reached


def search_counts(
    estimator: Any,
    X: Any,
    y: NDArray,
    weights: NDArray,
    classes: NDArray,
    splits: Iterable[tuple[NDArray, NDArray]],
    counts: NDArray[np.intp],
    task: Task | None = None,
    *,
    tolerance: float | str = "standard_error",
    per_class: bool = False,
    balanced: bool = False,
) -> tuple[list[list[int]], Choice]:
    """Choose counts for a `KMExClassifier`, by the held-out rows of each fold.

    `counts` holds those to choose from, ascending, in a row for each class. The count
    chosen is given with those above it, from which its prototypes come down.
    """
    if is_dask(X):
        raise ValueError(
            "n_prototypes must be a number, a share or a dict for a dask array: counts "
            "are chosen on one machine. Choose them with a sample of the rows."
        )
    codes = np.searchsorted(classes, y)
    priors = class_priors(estimator.priors, np.bincount(codes, weights))
    folds = held_out(estimator, X, codes, weights, list(splits), counts, task)
    folds = with_priors(folds, priors, estimator.temperature)
    choice = choose_counts(
        [fold.balanced() for fold in folds] if balanced else folds, tolerance, per_class
    )
    paths = zip(counts, choice.places, strict=True)
    return [tried[place:].tolist() for tried, place in paths], choice


def few_folds(y: NDArray, weights: NDArray) -> list[tuple[NDArray, NDArray]]:
    """Stratified folds of the rows that count, as many as the classes have rows."""
    rows = np.flatnonzero(weights)
    n_folds = min(AUTO_FOLDS, int(np.unique(y[rows], return_counts=True)[1].max()))
    if n_folds < 2:  # every class has a single row
        return [(rows, rows)] * 2
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        folds = list(StratifiedKFold(n_folds).split(rows, y[rows]))
    return [(rows[train], rows[test]) for train, test in folds]


def held_out(
    estimator: Any,
    X: Any,
    codes: NDArray[np.intp],
    weights: NDArray,
    folds: Sequence[tuple[NDArray, NDArray]],
    counts: NDArray[np.intp],
    task: Task | None,
) -> list[HeldOut]:
    """Score the held-out rows of each fold by prototypes of its training rows."""
    seeds = estimator._draw_seeds(codes.max() + 1)
    names = [
        f"fold-{k}-class-{c}" for k in range(len(folds)) for c in range(len(seeds))
    ]
    score = delayed(score_class)
    plain = type(estimator)(**estimator.get_params(deep=False))  # with no callbacks
    jobs = (
        score(plain, X, weights, train[codes[train] == code], test, row, seed)
        for train, test in folds
        for code, (row, seed) in enumerate(zip(counts, seeds, strict=True))
    )
    with subtask(task, "choose-counts", len(names)) as search:
        found = iter(run(jobs, estimator.n_jobs, search, names))
    scores = [np.stack([next(found) for _ in seeds], axis=1) for _ in folds]
    return [
        HeldOut(of_fold, codes[test], weights[test])
        for of_fold, (_, test) in zip(scores, folds, strict=True)
    ]


def score_class(
    estimator: Any,
    X: Any,
    weights: NDArray,
    own: NDArray,
    test: NDArray,
    counts: Sequence[int],
    seed: int,
) -> NDArray:
    """Score rows by one class, (n_test, n_counts); worst if it has no rows to learn."""
    if not len(own):
        return np.full((len(test), len(counts)), -np.inf)
    path = prototype_path(
        Rows(take(X, own), own, weights[own]),
        counts,
        seed,
        clusterer=estimator._clusterer(),
        prototype=estimator.prototype,
        max_samples=estimator.max_samples,
    )
    rows = take(X, test)
    scores = [
        estimator._class_scores(rows, of.vectors, np.zeros(len(of.counts), np.intp), 1)
        for of in path
    ]
    return np.concatenate([to_numpy(of_count) for of_count in scores], axis=1)


def with_priors(
    folds: list[HeldOut], priors: NDArray, temperature: float | str
) -> list[HeldOut]:
    """Add priors, at the temperature of each place where that is fitted."""
    if np.ptp(priors) == 0:
        return folds
    shifted = [np.empty_like(fold.scores) for fold in folds]
    for place in range(folds[0].scores.shape[2]):
        at = [fold.scores[:, :, place] for fold in folds]
        of_place = temperature_of(folds, at) if temperature == "auto" else temperature
        for new, scores in zip(shifted, at, strict=True):
            new[:, :, place] = add_priors(scores, priors, float(of_place))
    return [f._replace(scores=s) for f, s in zip(folds, shifted, strict=True)]


def temperature_of(folds: Sequence[HeldOut], scores: Sequence[NDArray]) -> float:
    """Fit the temperature to the folds whose training rows had every class."""
    whole = [k for k, values in enumerate(scores) if np.isfinite(values).all()]
    if not whole:
        return 1.0
    return fit_temperature(
        np.concatenate([scores[k] for k in whole]),
        np.concatenate([folds[k].codes for k in whole]),
        np.concatenate([folds[k].weights for k in whole]),
    )[0]


def choose_counts(
    folds: Sequence[HeldOut], tolerance: float | str, per_class: bool
) -> Choice:
    """Choose the fewest prototypes whose accuracy is within the tolerance of the best.

    "standard_error" is the one-standard-error rule (Breiman et al. 1984): the
    tolerance is the standard error, over the folds, of the best mean.
    """
    n_classes, n_counts = folds[0].scores.shape[1:]
    equal = np.tile(np.arange(n_counts)[:, np.newaxis], n_classes)
    curve = np.array([[accuracy(fold, at) for fold in folds] for at in equal])
    means = curve.mean(axis=1)
    best = means.argmax()
    if tolerance == "standard_error":
        tolerance = curve[best].std(ddof=1) / np.sqrt(len(folds))
    wanted = means[best] - float(tolerance)
    places = equal[np.flatnonzero(means >= wanted)[0]]
    if per_class:
        places = min(places, fewest(folds, equal[best], wanted), key=np.sum)
    return Choice(places, curve, wanted)


def fewest(folds: Sequence[HeldOut], places: NDArray, wanted: float) -> NDArray:
    """Lower the count of each class in turn, as far as the accuracy allows.

    What accuracy there is to lose is shared evenly by the classes still to come.
    """
    places = places.copy()
    while True:
        before = places.copy()
        for code in range(len(places)):
            reached = np.mean([by_count(fold, places, code) for fold in folds], axis=0)
            here = reached[places[code]]
            bound = here - (here - wanted) / (len(places) - code)
            lower = reached[: places[code]] >= bound
            if lower.any():
                places[code] = lower.argmax()
        if np.array_equal(places, before):
            return places


def by_count(fold: HeldOut, places: NDArray, code: int) -> NDArray[np.float64]:
    """Accuracy for each count of one class, with those of the others as they are."""
    others = fold.scores[:, np.arange(len(places)), places]
    others[:, code] = -np.inf
    winner, best = others.argmax(axis=1), others.max(axis=1)
    own = fold.scores[:, code]
    ahead = own > best[:, np.newaxis]
    right = np.where(ahead, code, winner[:, np.newaxis]) == fold.codes[:, np.newaxis]
    return np.average(right, axis=0, weights=fold.weights)


def accuracy(fold: HeldOut, places: NDArray) -> float:
    """Weighted share of rows that the counts at these places tell right."""
    scores = fold.scores[:, np.arange(len(places)), places]
    right = scores.argmax(axis=1) == fold.codes
    return float(np.average(right, weights=fold.weights))

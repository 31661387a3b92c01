"""The number of prototypes of each class, chosen by accuracy on held-out rows."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from sklearn_kmex._data.arrays import to_numpy
from sklearn_kmex._data.chunked import is_dask
from sklearn_kmex._data.jobs import subtask
from sklearn_kmex._data.rows import Rows, Training, gather, map_classes
from sklearn_kmex._fit.prototypes import Plan, distinct_rows, prototype_path
from sklearn_kmex._fit.temperature import fit_temperature
from sklearn_kmex._fit.validation import class_priors
from sklearn_kmex._model.similarity import add_priors

AUTO_COUNTS = range(1, 11)
AUTO_FOLDS = 5


class HeldOut(NamedTuple):
    """Class scores of held-out rows, for each count of prototypes of a class."""

    scores: NDArray  # (n_rows, n_classes, n_counts)
    codes: NDArray[np.intp]  # true classes
    weights: NDArray[np.float64]

    def balanced(self) -> "HeldOut":
        """Give each class the same weight."""
        mass = np.bincount(self.codes, self.weights)
        return self._replace(weights=self.weights / mass[self.codes])


class Choice(NamedTuple):
    """The chosen counts, as indices into the candidates, and the accuracies."""

    places: NDArray[np.intp]  # an index into the candidates, for each class
    curve: NDArray[np.float64]  # accuracy at the same index, (n_counts, n_folds)
    wanted: float  # least mean accuracy of an acceptable choice


def search_counts(
    estimator: Any,
    training: Training,
    splits: Iterable[tuple[NDArray, NDArray]],
    counts: NDArray[np.intp],
    *,
    tolerance: float | str = "standard_error",
    per_class: bool = False,
    balanced: bool = False,
) -> tuple[list[list[int]], Choice]:
    """Choose the counts of prototypes by the held-out rows of each split.

    `counts` holds the candidates of each class, ascending, one class in each row. The
    chosen count of a class is returned with the larger candidates, from which its
    prototypes are merged.
    """
    if is_dask(training.X):
        raise ValueError(
            "X must be in memory to search for n_prototypes; got a dask array. Choose "
            "them with a sample of the rows, and pass them to KMExClassifier."
        )
    codes = np.searchsorted(training.classes, training.y)
    priors = class_priors(estimator.priors, np.bincount(codes, training.weights))
    folds = _held_out(estimator, training, codes, list(splits), counts)
    folds = _with_priors(folds, priors, estimator.temperature)
    if balanced:
        folds = [fold.balanced() for fold in folds]
    choice = choose_counts(folds, tolerance, per_class)
    paths = zip(counts, choice.places, strict=True)
    return [tried[place:].tolist() for tried, place in paths], choice


def few_folds(y: NDArray, weights: NDArray) -> list[tuple[NDArray, NDArray]]:
    """Split the rows of positive weight into at most `AUTO_FOLDS` stratified folds."""
    rows = np.flatnonzero(weights)
    n_folds = min(AUTO_FOLDS, int(np.unique(y[rows], return_counts=True)[1].max()))
    if n_folds < 2:  # every class has a single row
        return [(rows, rows)] * 2
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        folds = list(StratifiedKFold(n_folds).split(rows, y[rows]))
    return [(rows[train], rows[test]) for train, test in folds]


def _held_out(
    estimator: Any,
    training: Training,
    codes: NDArray[np.intp],
    splits: Sequence[tuple[NDArray, NDArray]],
    counts: NDArray[np.intp],
) -> list[HeldOut]:
    """Score the held-out rows of each split by prototypes of its training rows."""
    plans, n_splits = estimator._plans(counts.tolist()), len(splits)
    plain = type(estimator)(**estimator.get_params(deep=False))  # without callbacks
    groups = [
        train[codes[train] == code] for train, _ in splits for code in range(len(plans))
    ]
    names = [f"fold-{k}-{name}" for k in range(n_splits) for name in training.names]
    tests = (rows for _, t in splits for rows in [gather(training.X, t)] * len(plans))
    with subtask(training.task, "choose-counts", len(names)) as task:
        found = iter(
            map_classes(
                partial(_score_class, plain._class_scores),
                training._replace(groups=groups, names=names, task=task),
                plans * n_splits,
                tests,
            )
        )
    folds = []
    for k, (_, test) in enumerate(splits):
        of_fold = groups[k * len(plans) : (k + 1) * len(plans)]
        absent = np.full((len(test), counts.shape[1]), -np.inf)  # no training rows
        scores = [next(found) if len(rows) else absent for rows in of_fold]
        weights = training.weights[test]
        folds.append(HeldOut(np.stack(scores, axis=1), codes[test], weights))
    return folds


def _score_class(score: Callable, rows: Rows, plan: Plan, test: Any) -> NDArray:
    """Score held-out rows by one class, for each count: (n_test, n_counts)."""
    scores = [
        score(test, found.vectors, np.zeros(len(found.counts), np.intp), 1)
        for found in prototype_path(distinct_rows(rows), plan)
    ]
    return np.concatenate([to_numpy(of_count) for of_count in scores], axis=1)


def _with_priors(
    folds: list[HeldOut], priors: NDArray, temperature: float | str
) -> list[HeldOut]:
    """Add priors to the scores, with a temperature fitted for each count if "auto"."""
    if np.ptp(priors) == 0:
        return folds
    shifted = [np.empty_like(fold.scores) for fold in folds]
    for place in range(folds[0].scores.shape[2]):
        at = [fold.scores[:, :, place] for fold in folds]
        of_place = _temperature_of(folds, at) if temperature == "auto" else temperature
        for new, scores in zip(shifted, at, strict=True):
            new[:, :, place] = add_priors(scores, priors, float(of_place))
    return [f._replace(scores=s) for f, s in zip(folds, shifted, strict=True)]


def _temperature_of(folds: Sequence[HeldOut], scores: Sequence[NDArray]) -> float:
    """Fit the temperature to the folds whose training rows contain every class."""
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
    tolerance is the standard error of the best mean accuracy over the folds.
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
        places = min(places, _fewest(folds, equal[best], wanted), key=np.sum)
    return Choice(places, curve, wanted)


def _fewest(folds: Sequence[HeldOut], places: NDArray, wanted: float) -> NDArray:
    """Lower the count of one class after the other, as long as `wanted` is reached.

    Each class may lower the accuracy by an equal share of what is left above `wanted`.
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
    """Return the accuracy for each count of one class, with the others unchanged."""
    others = fold.scores[:, np.arange(len(places)), places]
    others[:, code] = -np.inf
    winner, best = others.argmax(axis=1), others.max(axis=1)
    own = fold.scores[:, code]
    ahead = own > best[:, np.newaxis]
    correct = np.where(ahead, code, winner[:, np.newaxis]) == fold.codes[:, np.newaxis]
    return np.average(correct, axis=0, weights=fold.weights)


def accuracy(fold: HeldOut, places: NDArray) -> float:
    """Return the weighted share of rows that are correctly classified."""
    scores = fold.scores[:, np.arange(len(places)), places]
    correct = scores.argmax(axis=1) == fold.codes
    return float(np.average(correct, weights=fold.weights))

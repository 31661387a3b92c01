"""The plainest setting that is as good as the best, on held-out rows."""

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import rankdata

from sklearn_kmex._fit.search import PARAMETERS, Search, Tried
from sklearn_kmex._fit.temperature import class_logits
from sklearn_kmex.exceptions import KMExWarning


class Choice(NamedTuple):
    """The chosen setting, and what was compared."""

    counts: list[int]  # of prototypes, for each class
    params: dict[str, Any]
    temperature: float
    place: int  # of the chosen candidate in the results
    results: dict[str, Any]


def choose(search: Search, numbers: Sequence[Any]) -> Choice:
    """Choose the plainest candidate whose mean score is within the tolerance.

    "standard_error" is the one-standard-error rule (Breiman et al. 1984) for paired
    scores: a candidate is accepted if the mean difference of its scores from those of
    the best is at most the standard error of that mean, or a small share of the best
    log-loss. The plainest has the fewest prototypes, and of these the setting closest
    to that of the paper. One prototype of each class comes last, because the mean of a
    class looks like none of its rows. `numbers` are the values of `n_prototypes` that
    are reported.
    """
    tried, failures = search.run()
    if not tried:
        raise ValueError(
            "All settings to choose from failed; the first one with "
            f"{failures[0]} Fix it, or use metric='euclidean'."
        )
    folds = search.fold_means(tried)
    means = folds.mean(axis=1)
    best = int(means.argmax())
    errors = search.standard_errors(tried, tried[best])
    accepted = means >= means[best] - _allowed(search, errors, means[best])
    order = [_plainness(search, one) for one in tried]
    plainest = min(np.flatnonzero(accepted), key=lambda i: (*order[i], -means[i]))
    index = int(plainest)
    chosen = tried[index].candidate
    places = np.full(len(search.counts), chosen.place)
    if search.per_class:
        known, tables, start = _tables(search, tried, index)
        equal = int(np.searchsorted(known, chosen.place))
        places = known[fewest(tables, start, equal, search.scoring)]
    params = [_params(one, numbers) for one in tried]
    return Choice(
        search.counts[np.arange(len(places)), places].tolist(),
        params[index],
        search.temperature(tried[index]),
        index,
        _results(params, folds, errors, accepted),
    )


def _allowed(
    search: Search, errors: NDArray, best: float
) -> NDArray[np.float64] | float:
    """Return the accepted difference of each candidate from the best mean score."""
    if not isinstance(search.tolerance, str):
        return float(search.tolerance)
    if len(np.unique(search.held_out_rows())) == 1:
        warnings.warn(
            "The standard error of the scores of one held-out row is not known; 0 is "
            "used. Hold out more rows in cv, or give tolerance as a number.",
            KMExWarning,
            stacklevel=7,
        )
    return search.margin(errors, best)


def _plainness(search: Search, one: Tried) -> tuple[bool, int, int]:
    """Return a key that is smaller for a plainer candidate."""
    counts = search.counts[:, one.candidate.place]
    return bool((counts == 1).all()), int(counts.sum()), one.candidate.departures()


class Table(NamedTuple):
    """Class scores over the temperature of held-out rows of a fold, by count."""

    logits: NDArray[np.float64]  # (n_rows, n_classes, n_counts)
    codes: NDArray[np.intp]
    weights: NDArray[np.float64]  # of the sum 1

    def by_count(self, places: NDArray, code: int, scoring: str) -> NDArray[np.float64]:
        """Return the mean score for each count of one class, others unchanged."""
        others = self.logits[:, np.arange(len(places)), places]
        others[:, code] = -np.inf
        own, true = self.logits[:, code], self.codes[:, np.newaxis]
        if scoring == "neg_log_loss":
            of_true = np.take_along_axis(others, true, axis=1)
            truth = np.where(true == code, own, of_true)
            rest = logsumexp(others, axis=1)[:, np.newaxis]
            return self.weights @ (truth - np.logaddexp(rest, own))
        ahead = own > others.max(axis=1)[:, np.newaxis]
        winner = others.argmax(axis=1)[:, np.newaxis]
        return self.weights @ (np.where(ahead, code, winner) == true)


def _tables(
    search: Search, tried: Sequence[Tried], index: int
) -> tuple[NDArray[np.intp], list[Table], int]:
    """Return the places of counts tried with the chosen rule, and scores by count.

    The index of the best of these counts is returned, too. A count that was not tried
    with this rule has the one that is equal to it.
    """
    chosen, n_classes = tried[index], len(search.counts)
    rivals = [one for one in tried if one.candidate[1:3] == chosen.candidate[1:3]]
    places = np.unique([one.candidate.place for one in rivals])
    alike = [
        min(
            (one for one in rivals if one.candidate.place == place),
            key=lambda one: one.candidate.differences(chosen.candidate),
        )
        for place in places
    ]
    held_out, tables = [search.held_out(one, chosen) for one in alike], []
    for split, *parts in zip(search.splits, *held_out, strict=True):
        logits = np.full((len(split.held_out), n_classes, len(alike)), -np.inf)
        for k, part in enumerate(parts):
            logits[:, split.present, k] = class_logits(
                part, chosen.candidate.aggregation, chosen.temperature
            )
        codes = split.present[parts[0].codes]
        tables.append(Table(logits, codes, search.weights_of(split)))
    return places, tables, int(search.fold_means(alike).mean(axis=1).argmax())


def fewest(
    tables: Sequence[Table], start: int, equal: int, scoring: str
) -> NDArray[np.intp]:
    """Choose counts by class: as good as `equal` for all, from `start` downwards.

    The count of one class after the other is lowered. Each class may lower the score
    by an equal share of what is left above that of `equal`.
    """
    n_classes = tables[0].logits.shape[1]
    same = np.full(n_classes, equal)
    wanted = np.mean([one.by_count(same, 0, scoring)[equal] for one in tables])
    places = np.full(n_classes, start)
    before = None
    while before is None or not np.array_equal(places, before):
        before = places.copy()
        for code in range(n_classes):
            reached = np.mean(
                [one.by_count(places, code, scoring) for one in tables], axis=0
            )
            here = reached[places[code]]
            bound = here - (here - wanted) / (n_classes - code)
            lower = reached[: places[code]] >= bound
            if lower.any():
                places[code] = lower.argmax()
    return min(same, places, key=np.sum)


def _params(one: Tried, numbers: Sequence[Any]) -> dict[str, Any]:
    place, *others = one.candidate
    names = ("metric", *PARAMETERS, "shrinkage")
    return {"n_prototypes": numbers[place], **dict(zip(names, others, strict=True))}


def _results(
    params: list[dict[str, Any]], folds: NDArray, errors: NDArray, accepted: NDArray
) -> dict[str, Any]:
    """Return the scores in the form of `cv_results_` of scikit-learn's searches."""
    means = folds.mean(axis=1)
    return {
        "params": params,
        **{f"param_{name}": _objects([p[name] for p in params]) for name in params[0]},
        **{f"split{k}_test_score": scores for k, scores in enumerate(folds.T)},
        "mean_test_score": means,
        "std_test_score": folds.std(axis=1),
        "rank_test_score": rankdata(-means, method="min").astype(np.int32),
        "standard_error": errors,
        "accepted": accepted,
    }


def _objects(values: list[Any]) -> NDArray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array

"""The comparison of settings by the held-out rows of folds."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._data.chunked import is_dask
from sklearn_kmex._data.jobs import subtask
from sklearn_kmex._data.rows import Training
from sklearn_kmex._fit.compared_fold import ComparedFold
from sklearn_kmex._fit.folds import Split, fit_paths, fold_metric, open_splits
from sklearn_kmex._fit.paths import Members
from sklearn_kmex._fit.stacked import Scores, Stack, rough_temperature, stacks_of
from sklearn_kmex._fit.temperature import HeldOut, fit_temperature
from sklearn_kmex._fit.validation import class_priors
from sklearn_kmex._model.metric import METRICS, Metric, has_direction
from sklearn_kmex._model.rule import prototype_weights
from sklearn_kmex._model.similarity import (
    relative_similarities,
)

# How prototypes decide: similarity, aggregation and priors, the paper's first. Others
# are not needed: they are as good or worse on all data sets of the guide.
PARAMETERS = ("similarity", "aggregation", "priors")
RULES = (
    ("log", "max", "uniform"),
    ("gaussian", "sum", "uniform"),
    ("gaussian", "sum", "prototype"),
)
# Held-out rows that are scored, of all folds.
SCORED_ROWS = 3_000
# Of these, rows that a temperature is fitted to.
TEMPERATURE_ROWS = 1_000
# With more features, "auto" does not try metrics with a covariance.
COVARIANCE_FEATURES = 4_096


class Candidate(NamedTuple):
    """A setting of the parameters that are chosen."""

    place: int  # of the count, in the candidates of each class
    metric: str
    similarity: str
    aggregation: str
    priors: Any

    def departures(self) -> int:
        """Return how many parameters are not as in the paper."""
        return self.differences(Candidate(self.place, "euclidean", *RULES[0]))

    def differences(self, other: "Candidate") -> int:
        """Return in how many parameters two candidates differ."""
        pairs = zip(self, other, strict=True)
        return sum(_text(ours) != _text(theirs) for ours, theirs in pairs)


class Tried(NamedTuple):
    """A candidate on held-out rows, one item for each fold."""

    candidate: Candidate
    temperature: float
    folds: list[HeldOut]
    scores: list[NDArray[np.float64]]  # of the rows, larger is better


class Search(NamedTuple):
    """What is compared, and on which folds."""

    estimator: Any
    training: Training
    splits: list[Split]
    counts: NDArray[np.intp]  # candidates of each class, ascending, a class in a row
    metrics: list[str]
    rules: list[tuple[str, str, Any]]
    scoring: str  # "neg_log_loss", "accuracy" or "balanced_accuracy"
    staged: bool

    def run(self) -> tuple[list[Tried], list[str]]:
        """Return the scores of all candidates, and why metrics have none."""
        n_folds = sum(len(split.present) for split in self.splits)
        spaces = {Metric(metric).unit for metric in self.metrics}
        n_clustered = n_folds * (len(spaces) + (self._early() != self._places()))
        with subtask(self.training.task, "choose", n_clustered) as task:
            return self._replace(training=self.training._replace(task=task))._run()

    def _run(self) -> tuple[list[Tried], list[str]]:
        tried: list[Tried] = []
        failures: list[str] = []
        measures: dict[str, list[Metric]] = {}  # the metrics of the folds
        for metrics, places in self._stages(tried):
            plans = self.estimator._plans(self.counts[:, places].tolist())
            paths: dict[bool, list[list[list[Members]]]] = {}
            for metric in metrics:
                unit = Metric(metric).unit
                try:
                    if unit not in paths:
                        paths[unit] = fit_paths(
                            self.training, self.splits, plans, metric
                        )
                    if metric not in measures:
                        measures[metric] = self._fold_metrics(metric)
                    folds = self._open_folds(measures[metric], paths[unit])
                    tried.extend(self._try_metric(metric, folds, places))
                except ValueError as error:
                    failures.append(f"metric={metric!r}: {error}")
        return tried, failures

    def _stages(self, tried: Sequence[Tried]) -> Iterator[tuple[list[str], list[int]]]:
        """Yield metrics and places of counts that are compared, in one or two stages.

        In stages, all metrics are compared for two counts first; for the other counts,
        only those of the better clusters, of rows as they are or of unit rows.
        """
        early = self._early()
        yield self.metrics, early
        late = [place for place in self._places() if place not in early]
        if late and tried:
            best = max(tried, key=lambda one: self.fold_means(one).mean())
            unit = Metric(best.candidate.metric).unit
            yield [one for one in self.metrics if Metric(one).unit == unit], late

    def _places(self) -> list[int]:
        return list(range(self.counts.shape[1]))

    def _early(self) -> list[int]:
        """Return the places of the counts that are compared for all metrics."""
        places = self._places()
        return places[:: max(1, len(places) // 2)][:2] if self.staged else places

    def fold_means(self, one: Tried) -> NDArray[np.float64]:
        """Return the mean score of a candidate in each fold."""
        pairs = zip(one.scores, self.row_weights(), strict=True)
        return np.array([scores @ weights for scores, weights in pairs])

    def _fold_metrics(self, name: str) -> list[Metric]:
        shrinkage = self.estimator.shrinkage
        return [
            fold_metric(self.training, split, name, shrinkage) for split in self.splits
        ]

    def _open_folds(
        self, metrics: Sequence[Metric], paths: list[list[list[Members]]]
    ) -> list[ComparedFold]:
        return [
            ComparedFold.of(self.training, self.estimator.teacher, *fold)
            for fold in zip(self.splits, metrics, paths, strict=True)
        ]

    def _try_metric(
        self, metric: str, folds: Sequence[ComparedFold], places: Sequence[int]
    ) -> Iterator[Tried]:
        """Score all candidates of a metric; distances are computed once a count.

        The temperature of a rule is looked for near that of the count before.
        """
        near: dict[tuple[str, str, str], float] = {}
        for index, place in enumerate(places):
            compared = [fold.distances(index) for fold in folds]
            single = all(len(set(p.owners)) == len(p.owners) for p in compared)
            alike: dict[str, ComparedRows] = {}
            for rule in self._rules(single):
                if rule[0] not in alike:
                    alike[rule[0]] = self._compare(rule[0], compared, folds)
                name = rule[0], rule[1], _text(rule[2])
                candidate = Candidate(place, metric, *rule)
                one = self._score(candidate, alike[rule[0]], near.get(name))
                near[name] = one.temperature
                yield one

    def _compare(
        self,
        similarity: str,
        compared: Sequence[HeldOut],
        folds: Sequence[ComparedFold],
    ) -> "ComparedRows":
        """Turn squared distances into similarities."""
        epsilon, parts = self.estimator.epsilon, []
        for part, fold in zip(compared, folds, strict=True):
            known = similarity, epsilon, fold.reference
            similar = relative_similarities(part.similar, *known)
            parts.append(part._replace(similar=similar))
        stacks = stacks_of(parts)
        step = -(-sum(len(part.codes) for part in parts) // TEMPERATURE_ROWS)
        return ComparedRows(parts, stacks, [stack.every(step) for stack in stacks])

    def _rules(self, single: bool) -> list[tuple[str, str, Any]]:
        """Return the rules; with one prototype a class, "max" is equal to "sum"."""
        if not single:
            return self.rules
        plainest = {
            (similarity, _text(priors)): (similarity, aggregation, priors)
            for similarity, aggregation, priors in reversed(self.rules)
        }
        return list(plainest.values())[::-1]

    def _score(
        self, setting: Candidate, rows: "ComparedRows", near: float | None
    ) -> Tried:
        """Fit the temperature of a candidate, and score all held-out rows."""
        parts = self._weighted(setting.priors, rows.parts)
        given, temperature = self.estimator.temperature, 1.0
        if given != "auto":
            temperature = float(given)
        else:
            fitted = self._for_temperature(setting.priors, parts)
            few = _scores(rows.few, fitted, setting.aggregation)
            temperature = rough_temperature(few, near)
        of_rows: list[NDArray] = [np.empty(0)] * len(parts)
        scores = _scores(rows.stacks, parts, setting.aggregation)
        for stack, own in zip(rows.stacks, scores, strict=True):
            ends = np.cumsum(stack.sizes)[:-1]
            split = np.split(self._of_rows(own, temperature), ends)
            for fold, of_fold in zip(stack.folds, split, strict=True):
                of_rows[fold] = of_fold
        return Tried(setting, temperature, parts, of_rows)

    def temperature(self, one: Tried) -> float:
        """Fit the temperature of a candidate to all held-out rows."""
        given, setting = self.estimator.temperature, one.candidate
        if given != "auto":
            return float(given)
        parts = self._for_temperature(setting.priors, one.folds)
        return fit_temperature(parts, setting.aggregation)[0]

    def _for_temperature(
        self, priors: Any, parts: Sequence[HeldOut]
    ) -> Sequence[HeldOut]:
        """Drop priors given as an array, which are not those of the held-out rows."""
        if isinstance(priors, str):
            return parts
        return [part._replace(priors=np.ones(len(part.owners))) for part in parts]

    def _weighted(self, priors: Any, similar: Sequence[HeldOut]) -> list[HeldOut]:
        """Set the weights of prototypes, from the counts of their members."""
        mass = [self.training.weights[rows].sum() for rows in self.training.groups]
        prior = class_priors(priors, mass)
        return [
            part._replace(
                priors=prototype_weights(
                    priors, prior[split.present], part.owners, part.priors
                )
            )
            for split, part in zip(self.splits, similar, strict=True)
        ]

    def _of_rows(self, scores: Scores, temperature: float) -> NDArray[np.float64]:
        if self.scoring == "neg_log_loss":
            return scores.log_likelihood(scores.log_probabilities(temperature))
        chosen = scores.logits(temperature).argmax(axis=0)
        return (chosen == scores.codes).astype(np.float64)

    def row_weights(self) -> list[NDArray[np.float64]]:
        """Return the weights of held-out rows, of the sum 1 in each fold."""
        return [self._weights_of(split) for split in self.splits]

    def _weights_of(self, split: Split) -> NDArray[np.float64]:
        weights = self.training.weights[split.held_out]
        if self.scoring == "balanced_accuracy":
            _, codes = np.unique(self.training.y[split.held_out], return_inverse=True)
            weights = weights / np.bincount(codes, weights)[codes]
        return weights / weights.sum()


class ComparedRows(NamedTuple):
    """Similarities of held-out rows of all folds to the prototypes of a count."""

    parts: list[HeldOut]  # one for each fold
    stacks: list[Stack]
    few: list[Stack]  # for a rough temperature


def _scores(
    stacks: Sequence[Stack], parts: Sequence[HeldOut], aggregation: str
) -> list[Scores]:
    """Return class scores, given the weights of the prototypes of each fold."""
    return [
        stack.decide([parts[fold].priors for fold in stack.folds], aggregation)
        for stack in stacks
    ]


def open_search(
    estimator: Any,
    training: Training,
    splits: Sequence[tuple[NDArray, NDArray]],
    counts: NDArray[np.intp],
    scoring: str = "neg_log_loss",
    staged: bool = False,
) -> Search:
    """Prepare the comparison of all settings that the estimator leaves open."""
    if is_dask(training.X):
        raise ValueError(
            "X must be in memory to choose from its rows; got a dask array. Choose "
            "with a sample of the rows, and pass the chosen parameters to "
            "KMExClassifier."
        )
    opened = open_splits(training, splits, SCORED_ROWS)
    metrics = _metrics(estimator.metric, training.X)
    given = [getattr(estimator, name) for name in PARAMETERS]
    all_rules = [_with_given(rule, given) for rule in RULES]
    rules = list({tuple(map(_text, rule)): rule for rule in all_rules}.values())
    how = (scoring, staged)
    return Search(estimator, training, opened, counts, metrics, rules, *how)


def _with_given(rule: Sequence[Any], given: Sequence[Any]) -> tuple[str, str, Any]:
    """Replace the parameters of a rule that are given."""
    pairs = zip(rule, given, strict=True)
    similarity, aggregation, priors = (
        ours if _text(fixed) == "auto" else fixed for ours, fixed in pairs
    )
    return similarity, aggregation, priors


def _text(value: Any) -> str:
    """Return a parameter as a text, so that arrays can be compared."""
    return value if isinstance(value, str) else repr(value)


def _metrics(given: str, X: Any) -> list[str]:
    """Return the metrics to compare; "auto" leaves out those that X does not allow."""
    if given != "auto":
        return [given]
    metrics = [Metric(name) for name in METRICS]
    if hasattr(X, "tocsr") or X.shape[1] > COVARIANCE_FEATURES:
        metrics = [metric for metric in metrics if not metric.mapped]
    if not has_direction(X):
        metrics = [metric for metric in metrics if not metric.unit]
    return [metric.name for metric in metrics]

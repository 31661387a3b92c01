"""The comparison of settings by the held-out rows of folds."""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from sklearn_kmex._data.arrays import group_starts
from sklearn_kmex._data.chunked import is_dask
from sklearn_kmex._data.jobs import subtask
from sklearn_kmex._data.rows import Training, gather
from sklearn_kmex._fit.candidates import (
    PARAMETERS,
    RULES,
    Candidate,
    as_text,
    distinct,
    metrics_of,
    needs_all,
    with_given,
)
from sklearn_kmex._fit.compared_fold import ComparedFold
from sklearn_kmex._fit.folds import (
    Split,
    fit_paths,
    fold_metrics,
    in_space,
    open_splits,
)
from sklearn_kmex._fit.paths import Members
from sklearn_kmex._fit.stacked import (
    Expansion,
    Similar,
    Stack,
    in_order,
    rough_temperature,
    stacks_of,
)
from sklearn_kmex._fit.teacher import targets_of
from sklearn_kmex._fit.temperature import HeldOut, fit_temperature
from sklearn_kmex._fit.validation import class_priors
from sklearn_kmex._model.metric import Metric
from sklearn_kmex._model.rule import prototype_weights
from sklearn_kmex._model.similarity import relative_similarities

# Differences of a log-loss that do not matter, as a share of it. With the probabilities
# of a teacher as targets, standard errors are smaller.
LEAST_SHARE = 0.02
# So many counts are not all compared with every metric and rule; those are left out
# that are worse by so many standard errors with two of the counts.
MANY, CLEARLY = 5, 2
# The counts of the first two stages are clustered together if X has at most so many
# values: few rules are left out after the first stage, and calls take most of the time.
FEW_VALUES = 2**18
# Shrinkage of the covariance that is compared with that of Ledoit and Wolf, if a fold
# has fewer training rows for each feature.
MUCH, FEW_ROWS = 0.6, 4
# Held-out rows that are scored, of all folds.
SCORED_ROWS = 3_000
# Usual inverse temperature, in the unit of scores.
START = 12.0


class Space(NamedTuple):
    """Rows as metrics compare them, before their maps, and prototypes of the folds."""

    training: Training
    places: list[int]  # of the counts that are clustered
    paths: list[list[list[Members]]]  # by fold, class and count


class Measured(NamedTuple):
    """A metric in each fold."""

    name: str
    shrinkage: float | str
    folds: list[Metric]


class Tried(NamedTuple):
    """A candidate on held-out rows."""

    candidate: Candidate
    temperature: float
    compared: list[HeldOut]  # squared distances, one item for each fold
    scores: NDArray[np.float64]  # of the rows of all folds, larger is better


class Search(NamedTuple):
    """What is compared, and on which folds."""

    estimator: Any
    training: Training
    splits: list[Split]
    targets: list[NDArray | None]  # of held-out rows, by a teacher
    counts: NDArray[np.intp]  # candidates of each class, ascending, a class in a row
    metrics: list[str]
    rules: list[tuple[str, str, Any]]
    scoring: str  # "neg_log_loss", "accuracy" or "balanced_accuracy"
    tolerance: float | str
    per_class: bool  # whether classes may have different counts

    def run(self) -> tuple[list[Tried], list[str]]:
        """Return the scores of candidates, and why metrics have none.

        Of many counts, two are compared first. Metrics with rules that are clearly
        worse for these are not tried for larger counts, and those that are clearly
        worse than the best then are not tried for smaller ones.
        """
        n_folds = sum(len(split.present) for split in self.splits)
        spaces = {Metric(metric).unit for metric in self.metrics}
        n_clustered = n_folds * len(spaces) * len(self._stages())
        with subtask(self.training.task, "choose", n_clustered) as task:
            return self._replace(training=self.training._replace(task=task))._run()

    def _run(self) -> tuple[list[Tried], list[str]]:
        tried: list[Tried] = []
        failures: list[str] = []
        measures: dict[str, Measured] = {}
        spaces: dict[bool, Space] = {}
        near: dict[Any, float] = {}
        left = dict.fromkeys(self.metrics, self.rules)
        stages, few = self._stages(), math.prod(self.training.X.shape) <= FEW_VALUES
        for stage, places in enumerate(stages):
            together = few and stage < 2
            clustered = sorted(chain(*stages[:2])) if together else places
            if stage > 0:
                left = self._near(tried, left)
            for metric, rules in left.items():
                unit = Metric(metric).unit
                try:
                    if unit not in spaces or spaces[unit].places != clustered:
                        spaces[unit] = self._cluster(metric, clustered)
                    if metric not in measures:
                        measures[metric] = self._measure(spaces[unit], metric)
                    known = spaces[unit], measures[metric]
                    tried.extend(self._try_metric(*known, rules, places, near))
                except ValueError as error:
                    failures.append(f"metric={metric!r}: {error}")
        order = self.metrics.index
        tried.sort(key=lambda one: (order(one.candidate.metric), one.candidate.place))
        return tried, failures

    def _cluster(self, metric: str, places: list[int]) -> Space:
        """Find the prototypes of all folds as a metric compares rows."""
        training = in_space(self.training, metric)
        plans = self.estimator._plans(self.counts[:, places].tolist())
        return Space(training, places, fit_paths(training, self.splits, plans))

    def _stages(self) -> list[list[int]]:
        """Return the places of the counts that are compared together.

        If classes have counts of their own, small counts are needed, too.
        """
        places = list(range(self.counts.shape[1]))
        if len(places) < MANY or len(self.metrics) * len(self.rules) == 1:
            return [places]
        middle = len(places) // 2
        if self.per_class:
            return [[0, middle], places[1:middle] + places[middle + 1 :]]
        return [[0, middle], places[middle + 1 :], places[1:middle]]

    def _near(
        self, tried: Sequence[Tried], rules_of: dict[str, list[Any]]
    ) -> dict[str, list[Any]]:
        """Return the rules of each metric that are not clearly worse than the best.

        They are judged by the counts of the first stage.
        """
        if not tried:
            return {}
        means = self.fold_means(tried).mean(axis=1)
        best = int(means.argmax())
        margin = self.margin(self.standard_errors(tried, tried[best]), means[best])
        least = 0.0 if isinstance(self.tolerance, str) else self.tolerance
        near = means >= means[best] - np.maximum(CLEARLY * margin, least)
        found = [tried[i].candidate for i in near.nonzero()[0].tolist()]
        early = self._stages()[0]
        kept = {one.family() for one in found if one.place in early}
        left = {
            metric: [r for r in rules if Candidate(0, metric, *r).family() in kept]
            for metric, rules in rules_of.items()
        }
        return {metric: rules for metric, rules in left.items() if rules}

    def margin(self, errors: NDArray, best: float) -> NDArray[np.float64]:
        """Return the differences from the best mean score that do not matter."""
        if self.scoring != "neg_log_loss":
            return errors
        return np.maximum(errors, LEAST_SHARE * abs(best))

    def fold_means(self, tried: Sequence[Tried]) -> NDArray[np.float64]:
        """Return the mean scores of candidates, (n_candidates, n_folds)."""
        return np.stack([one.scores for one in tried]) @ self.row_weights()

    def standard_errors(
        self, tried: Sequence[Tried], best: Tried
    ) -> NDArray[np.float64]:
        """Return the standard errors of the mean differences of scores from the best.

        Scores of a row in several folds are not independent: they are added up.
        """
        share = self.row_weights().mean(axis=1)
        apart = best.scores - np.stack([one.scores for one in tried])
        parts = share * (apart - (apart @ share)[:, np.newaxis])
        rows = self.held_out_rows()
        order = rows.argsort(kind="stable")
        sums = np.add.reduceat(parts[:, order], group_starts(rows[order]), axis=1)
        return np.sqrt((sums**2).sum(axis=1))

    def held_out_rows(self) -> NDArray[np.intp]:
        """Return the held-out rows of all folds."""
        return np.concatenate([split.held_out for split in self.splits])

    def _measure(self, space: Space, name: str) -> Measured:
        """Return a metric in each fold, with the shrinkage that decides better.

        They are compared with the first rule and count. The other one must be clearly
        better than that of Ledoit and Wolf.
        """
        compared = self._shrinkages(name)
        of_folds = fold_metrics(space.training, self.splits, name, compared)
        usual, *others = map(partial(Measured, name), compared, of_folds)
        if not others:
            return usual
        tried = [
            next(self._try_metric(space, one, self.rules[:1], [0], {}))
            for one in (usual, *others)
        ]
        means = self.fold_means(tried).mean(axis=1)
        errors = self.margin(self.standard_errors(tried, tried[1]), means[1])
        return others[0] if means[1] - means[0] > CLEARLY * errors[0] else usual

    def _shrinkages(self, metric: str) -> list[float | str]:
        """Return the shrinkages to compare for a metric."""
        given = self.estimator.shrinkage
        n_rows = min(sum(map(len, split.groups)) for split in self.splits)
        few = n_rows < FEW_ROWS * self.training.X.shape[1]
        unsure = given == "auto" and Metric(metric).mapped and few
        return [given, MUCH] if unsure else [given]

    def _try_metric(
        self,
        space: Space,
        measured: Measured,
        rules: Sequence[tuple[str, str, Any]],
        places: Sequence[int],
        near: dict[Any, float],
    ) -> Iterator[Tried]:
        """Score candidates of a metric; distances are computed once a count.

        The temperature of a rule is looked for near that of the rule or count before,
        which is kept in `near`.
        """
        indices = [space.places.index(place) for place in places]
        paths = [
            [[path[index] for index in indices] for path in of_fold]
            for of_fold in space.paths
        ]
        each = (self.splits, self.targets, measured.folds, paths)
        folds = [
            ComparedFold.of(space.training, *fold) for fold in zip(*each, strict=True)
        ]
        for index, place in enumerate(places):
            compared = [fold.distances(index) for fold in folds]
            single = all(len(set(p.owners)) == len(p.owners) for p in compared)
            stacks = stacks_of(compared)
            different = distinct(rules) if single else rules
            for similarity in dict.fromkeys(rule[0] for rule in different):
                own = [rule for rule in different if rule[0] == similarity]
                whole = not single and any(map(needs_all, own))
                similar = Similar.of(stacks, similarity, self.estimator.epsilon, whole)
                for rule in own:
                    setting = Candidate(place, measured.name, *rule, measured.shrinkage)
                    family = setting.family()
                    before = near.get(family, near.get(family[:2]))
                    one = self._score(setting, compared, similar, before)
                    near[family] = near[family[:2]] = one.temperature
                    yield one

    def _score(
        self,
        setting: Candidate,
        compared: list[HeldOut],
        similar: Similar,
        near: float | None,
    ) -> Tried:
        """Fit the temperature of a candidate, and score all held-out rows."""
        weights = self._weights(setting.priors, compared)
        scores = similar.decide(weights, setting.aggregation)
        given, unit, found = self.estimator.temperature, similar.unit or 1.0, None
        if given != "auto" or similar.unit == 0:
            inverse = unit if given == "auto" else unit / given
        else:
            fitted, start = scores, START if near is None else unit / near
            if not isinstance(setting.priors, str):
                equal = [np.ones_like(of) for of in weights]
                fitted = similar.decide(equal, setting.aggregation)
            inverse, found = rough_temperature(fitted, start)
            if fitted is not scores or self.scoring != "neg_log_loss":
                found = None
        found = found or [part.at(inverse) for part in scores]
        of_rows = [
            self._of_rows(*pair, inverse)
            for pair in zip(similar.stacks, found, strict=True)
        ]
        joined = in_order(similar.stacks, of_rows)
        return Tried(setting, unit / inverse, compared, joined)

    def _of_rows(
        self, stack: Stack, found: Expansion, inverse: float
    ) -> NDArray[np.float64]:
        if self.scoring == "neg_log_loss":
            return found.log_likelihood(inverse)
        return (found.logits.argmax(axis=0) == stack.codes).astype(np.float64)

    def held_out(self, one: Tried, reference: Tried) -> list[HeldOut]:
        """Return similarities of held-out rows, minus the largest of a reference."""
        setting, parts = one.candidate, []
        known = setting.similarity, self.estimator.epsilon
        weights = self._weights(setting.priors, one.compared)
        for part, of, priors in zip(
            one.compared, reference.compared, weights, strict=True
        ):
            least = of.similar.min(axis=1, keepdims=True)
            similar = relative_similarities(part.similar, *known, least)
            parts.append(part._replace(similar=similar, priors=priors))
        return parts

    def temperature(self, one: Tried) -> float:
        """Fit the temperature of a candidate to all held-out rows."""
        given, setting = self.estimator.temperature, one.candidate
        if given != "auto":
            return float(given)
        parts = self.held_out(one, one)
        if not isinstance(setting.priors, str):
            parts = [part._replace(priors=np.ones(len(part.owners))) for part in parts]
        return fit_temperature(parts, setting.aggregation)[0]

    def _weights(self, priors: Any, parts: Sequence[HeldOut]) -> list[NDArray]:
        """Return the weights of prototypes, from the counts of their members."""
        mass = [self.training.weights[rows].sum() for rows in self.training.groups]
        prior = class_priors(priors, mass)
        return [
            prototype_weights(priors, prior[split.present], part.owners, part.priors)
            for split, part in zip(self.splits, parts, strict=True)
        ]

    def row_weights(self) -> NDArray[np.float64]:
        """Return the weights of held-out rows in each fold, (n_rows, n_folds).

        Those of a fold have the sum 1.
        """
        return block_diag(*map(self.weights_of, self.splits)).T

    def weights_of(self, split: Split) -> NDArray[np.float64]:
        """Return the weights of the held-out rows of a fold, of the sum 1."""
        weights = self.training.weights[split.held_out]
        if self.scoring == "balanced_accuracy":
            _, codes = np.unique(self.training.y[split.held_out], return_inverse=True)
            weights = weights / np.bincount(codes, weights)[codes]
        return weights / weights.sum()


def open_search(
    estimator: Any,
    training: Training,
    splits: Sequence[tuple[NDArray, NDArray]],
    counts: NDArray[np.intp],
    scoring: str = "neg_log_loss",
    tolerance: float | str = "standard_error",
    per_class: bool = False,
) -> Search:
    """Prepare the comparison of all settings that the estimator leaves open."""
    if is_dask(training.X):
        raise ValueError(
            "X must be in memory to choose from its rows; got a dask array. Choose "
            "with a sample of the rows, and pass the chosen parameters to "
            "KMExClassifier."
        )
    opened = open_splits(training, splits, SCORED_ROWS)
    metrics = metrics_of(estimator.metric, training.X)
    given = [getattr(estimator, name) for name in PARAMETERS]
    all_rules = [with_given(rule, given) for rule in RULES]
    rules = list({tuple(map(as_text, rule)): rule for rule in all_rules}.values())
    how = (scoring, tolerance, per_class)
    teach = partial(targets_of, estimator.teacher, training.classes)
    targets = [
        teach(split.present, gather(training.X, split.held_out))
        if estimator.teacher is not None
        else None
        for split in opened
    ]
    return Search(estimator, training, opened, targets, counts, metrics, rules, *how)

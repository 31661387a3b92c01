"""The steps of a fit, which set the fitted attributes of a `KMExClassifier`."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from sklearn_kmex._data.arrays import asarray_like, to_numpy, widest_float
from sklearn_kmex._data.rows import Training
from sklearn_kmex._fit.choice import Choice, choose
from sklearn_kmex._fit.classes import class_weights, counts_by_share
from sklearn_kmex._fit.covariance import (
    check_features,
    fit_scatters,
    known_scatter,
    metric_maps,
)
from sklearn_kmex._fit.folds import few_folds
from sklearn_kmex._fit.kmeans import BatchedKMeans
from sklearn_kmex._fit.merging import fit_merged
from sklearn_kmex._fit.prototypes import ClassPrototypes, Plan
from sklearn_kmex._fit.search import open_search
from sklearn_kmex._fit.teacher import targets_of
from sklearn_kmex._fit.temperature import (
    N_FOLDS,
    Fold,
    compare_held_out,
    fit_temperature,
)
from sklearn_kmex._fit.validation import class_priors, prototypes_per_class
from sklearn_kmex._model.metric import Metric
from sklearn_kmex._model.predictor import PrototypePredictor
from sklearn_kmex._model.rule import Rule, prototype_weights

# Attributes in the library and on the device of X.
FITTED_ARRAYS = (
    "classes_",
    "class_prior_",
    "inertia_",
    "n_prototypes_",
    "prototypes_",
    "prototype_classes_",
    "prototype_counts_",
    "prototype_indices_",
    "_member_means",
    "_nearest_rows",
)
# Parameters of how prototypes decide, and those that "auto" chooses with them.
RULE = ("metric", "similarity", "aggregation", "priors")
CHOSEN = (*RULE, "shrinkage")

# Seeds are less than this.
MOST_SEED = np.iinfo(np.int32).max
# Numbers of prototypes that "auto" compares.
AUTO_COUNTS = (1, 2, 5, 10, 20)


class FitSteps(PrototypePredictor):
    """What `fit` and `partial_fit` of a `KMExClassifier` do, one method a step."""

    _scatter: tuple[NDArray[np.float64], float]
    _temperature_rows: float
    shrinkage_: Any  # a parameter until the metric is set

    @property
    def prototype_weights_(self) -> NDArray[np.float64]:
        """Weight of each prototype in the class scores, (n_prototypes_total,)."""
        fitted = (self.class_prior_, self.n_prototypes_, self.prototype_counts_)
        class_prior, sizes, counts = map(to_numpy, fitted)
        owners = np.repeat(np.arange(len(sizes)), sizes)
        return prototype_weights(self.priors_, class_prior, owners, counts)

    def _set_rule(self, X: Any) -> None:
        """Set the fitted attributes of how prototypes decide to the parameters."""
        if Metric(self.metric).mapped:
            check_features(X)
        for name in CHOSEN:
            setattr(self, f"{name}_", getattr(self, name))

    def _choose(self, training: Training) -> list[int]:
        """Resolve "auto", and `n_prototypes` to a count for each class."""
        self._set_rule(training.X)
        if self._searches():
            seed = check_random_state(self.random_state).randint(MOST_SEED)
            auto = isinstance(self.n_prototypes, str)
            numbers = AUTO_COUNTS if auto else [self.n_prototypes]
            counts = (
                np.tile(AUTO_COUNTS, (len(training.classes), 1))
                if auto
                else np.array(self._given_counts(training))[:, np.newaxis]
            )
            splits = few_folds(training, seed)
            search = open_search(self, training, splits, counts)
            return self._set_choice(choose(search, numbers))
        return self._given_counts(training)

    def _set_choice(self, chosen: Choice) -> list[int]:
        """Set what was chosen, and return the counts of the classes."""
        self.cv_results_, self.best_index_ = chosen.results, chosen.place
        self.best_params_, self.temperature_ = chosen.params, chosen.temperature
        for name in CHOSEN:
            setattr(self, f"{name}_", chosen.params[name])
        return chosen.counts

    def _given_counts(self, training: Training) -> list[int]:
        """Resolve `n_prototypes` to a count for each class."""
        if isinstance(self.n_prototypes, int | np.integer | Mapping):
            return prototypes_per_class(self.n_prototypes, training.classes)
        return counts_by_share(training, self.n_prototypes).tolist()

    def _searches(self) -> bool:
        chosen = [getattr(self, name) for name in ("n_prototypes", *RULE)]
        return any(isinstance(value, str) and value == "auto" for value in chosen)

    def _needs_all_rows(self) -> bool:
        return self._searches() or not isinstance(self.n_prototypes, Integral | Mapping)

    def _plans(
        self,
        counts: list[list[int]],
        known: Sequence[ClassPrototypes | None] | None = None,
    ) -> list[Plan]:
        """Plan the clustering of each class, and draw its seed."""
        known = [None] * len(counts) if known is None else known
        seeds = _seeds(self.random_state, len(counts))
        default = BatchedKMeans(
            n_init=self.n_init, max_iter=self.max_iter, tol=self.tol
        )
        settings = Plan(
            clusterer=default if self.clusterer is None else self.clusterer,
            prototype=self.prototype,
            max_samples=None if any(known) else self.max_samples,
            hold_out=self.temperature == "auto" and not self._searches(),
            unit=Metric(self.metric_).unit,
        )
        return [
            settings._replace(counts=tried, seed=seed, known=old)
            for tried, seed, old in zip(counts, seeds, known, strict=True)
        ]

    def _fit_classes(
        self, training: Training, plans: list[Plan]
    ) -> tuple[list[ClassPrototypes | None], list[list[Fold]]]:
        """Set `class_prior_`, and run k-means on the rows of each class."""
        mass = class_weights(training, [plan.known for plan in plans])
        self.class_prior_ = class_priors(self.priors_, mass)
        learned = fit_merged(training, plans, self.merge_threshold)
        return [found for found, _ in learned], [folds for _, folds in learned]

    def _set_prototypes(
        self, classes: NDArray, learned: list[ClassPrototypes | None]
    ) -> None:
        """Set the fitted attributes to the prototypes of all classes."""
        found = [prototypes for prototypes in learned if prototypes is not None]
        self.classes_ = classes
        self.n_prototypes_ = np.array([len(p.counts) if p else 0 for p in learned])
        self.prototype_classes_ = np.repeat(classes, self.n_prototypes_)
        self.prototypes_ = np.concatenate([p.vectors for p in found])
        self.prototype_counts_ = np.concatenate([p.counts for p in found])
        self.prototype_indices_ = np.concatenate([p.nearest.numbers for p in found])
        self._member_means = np.concatenate([p.means for p in found])
        self._nearest_rows = np.concatenate([p.nearest.values for p in found])
        self.inertia_ = np.array([p.inertia if p else 0.0 for p in learned])
        self.n_iter_ = max(p.n_iter for p in found)

    def _set_metric(
        self,
        training: Training,
        folds: list[list[Fold]],
        known: Sequence[ClassPrototypes | None] | None = None,
    ) -> list[Metric]:
        """Set the map of the metric; return the metric without each fold's rows."""
        self.metric_map_, metric = None, Metric(self.metric_)
        chosen, self.shrinkage_ = self.shrinkage_, None
        if not metric.mapped:
            return [metric] * N_FOLDS
        whole, left = fit_scatters(training, folds, self.random_state)
        if known is not None and any(known):
            products, fourth = self._scatter
            old = known_scatter(products, fourth, known)
            whole, left = old.merge(whole), [old.merge(part) for part in left]
        self._scatter = whole.products, whole.fourth
        self.shrinkage_ = share = whole.shrinkage(chosen)
        self.metric_map_, *maps = metric_maps([whole, *left], share)
        return [metric._replace(map=of_fold) for of_fold in maps]

    def _set_temperature(
        self, training: Training, folds: list[list[Fold]], metrics: list[Metric]
    ) -> None:
        if self._searches():  # chosen with the rest
            return
        if self.temperature != "auto":
            self.temperature_ = float(self.temperature)
            return
        present = [code for code, of_class in enumerate(folds) if of_class]
        folds = [folds[code] for code in present]
        rules = [
            self._rule_of_fold(fold, self.class_prior_[present], metric)
            for fold, metric in zip(zip(*folds, strict=True), metrics, strict=True)
        ]
        parts = compare_held_out(
            *(training.X, training.first_row, folds, rules),
            partial(targets_of, self.teacher, training.classes, np.array(present)),
        )
        new, n_rows = fit_temperature(parts, self.aggregation_, self._temperature_rows)
        old = getattr(self, "temperature_", 1.0)
        total = self._temperature_rows + n_rows
        share = n_rows / total if total else 1.0
        self.temperature_ = float(old ** (1 - share) * new**share)
        self._temperature_rows = total

    def _rule_of_fold(
        self, fold: Sequence[Fold], class_prior: NDArray, metric: Metric
    ) -> Rule:
        """Return the rule of the prototypes of a fold; given priors are not used."""
        owners = np.repeat(np.arange(len(fold)), [len(f.vectors) for f in fold])
        counts = np.concatenate([f.counts for f in fold])
        if not isinstance(self.priors_, str):
            class_prior = np.ones(len(fold))
        return Rule(
            np.concatenate([f.vectors for f in fold]),
            owners,
            len(fold),
            prototype_weights(self.priors_, class_prior, owners, counts),
            metric,
            self.similarity_,
            self.epsilon,
            self.aggregation_,
        )

    def _settle(self, X: Any) -> None:
        """Convert fitted arrays of numbers to the library and device of X."""
        for name in FITTED_ARRAYS:
            array = getattr(self, name)
            if array.dtype.kind in "biuf":
                dtype = widest_float(X) if array.dtype == np.float64 else None
                setattr(self, name, asarray_like(array, X, dtype))
        if self.metric_map_ is not None:
            self.metric_map_ = asarray_like(self.metric_map_, X, widest_float(X))
        self.n_samples_seen_ += X.shape[0]


def _seeds(random_state: Any, size: int) -> NDArray[np.int64]:
    """Draw the seeds of the classes; those of an integer are remembered."""
    if isinstance(random_state, Integral):
        return _seeds_of(int(random_state), size)
    return check_random_state(random_state).randint(MOST_SEED, size=size)


@functools.lru_cache(maxsize=64)
def _seeds_of(random_state: int, size: int) -> NDArray[np.int64]:
    """Draw seeds; a new generator takes as long as the clustering of a few rows."""
    return check_random_state(random_state).randint(MOST_SEED, size=size)

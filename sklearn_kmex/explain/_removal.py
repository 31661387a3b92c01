"""Margins without a training row: prototypes are means, which the row leaves."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.extmath import safe_sparse_dot

from sklearn_kmex._data.arrays import batches, dense, rows_at, squared_norms
from sklearn_kmex._data.unit_rows import unit_rows
from sklearn_kmex._model.members import Members, left_of
from sklearn_kmex._model.rule import Rule, rule_of
from sklearn_kmex._model.similarity import CANCELLED, similarities

# Elements of the working copies of a block of training rows: 32 MiB.
ELEMENTS = 2**22


class Training(NamedTuple):
    """What a model knows of its training rows: means and weights of members."""

    means: NDArray[np.float64]  # of the members of each prototype, as clustered
    counts: NDArray[np.float64]
    class_counts: NDArray[np.float64]
    priors: Any


class Decided(NamedTuple):
    """Decisions about some samples, and what they are without each prototype."""

    rule: Rule
    rows: Any  # as they are compared, less a center
    prototypes: NDArray[np.float64]  # less the same center
    squared: NDArray[np.float64]  # distances to prototypes
    rest: NDArray[np.float64]  # score of the class of each prototype without it
    predicted: NDArray[np.intp]  # class codes
    score: NDArray[np.float64]  # of the predicted class
    others: NDArray[np.float64]  # best score of the other classes without each class
    margin: NDArray[np.float64]


def training_of(sem: Any) -> Training:
    """Read what a model knows of its training rows."""
    counts = sem.prototype_counts_.astype(np.float64)
    class_counts = np.zeros(len(sem.classes_))
    np.add.at(class_counts, rule_of(sem).owners, counts)
    means = sem._member_means.astype(np.float64)
    return Training(means, counts, class_counts, sem.priors_)


def decided(sem: Any, rows: Any, predicted: NDArray[np.intp]) -> Decided:
    """Compare embeddings of samples with all prototypes."""
    rule, prototypes = rule_of(sem), sem.prototypes_
    squared = rule.squared_distances(rows)
    similar = rule.similarities_at(squared)
    scores = rule.class_scores(similar)
    rows = unit_rows(rows) if rule.metric.unit else rows
    if not sparse.issparse(rows):
        center = prototypes.mean(axis=0, dtype=np.float64)
        rows, prototypes = rows - center, prototypes - center
    each = np.arange(len(scores))
    score = scores[each, predicted]
    scores[each, predicted] = -np.inf
    return Decided(
        rule,
        rows,
        prototypes.astype(np.float64),
        squared,
        _rest(rule, rule.weigh(similar)),
        predicted,
        score,
        _without_each(scores),
        score - scores.max(axis=1),
    )


def _rest(rule: Rule, weighted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the score of the class of each prototype without this prototype."""
    rest = np.full_like(weighted, -np.inf)
    for code in np.unique(rule.owners):
        own = np.flatnonzero(rule.owners == code)
        if len(own) == 1:
            continue
        if rule.aggregation == "max":
            rest[:, own] = _without_each(weighted[:, own])
            continue
        for k in own:
            others = own[own != k]
            some = rule._replace(owners=np.zeros(len(others), np.intp), n_classes=1)
            some = some._replace(weights=np.ones(len(others)))
            rest[:, k] = some.class_scores(weighted[:, others])[:, 0]
    return rest


def _without_each(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest value of each row without each column."""
    each, best = np.arange(len(values)), values.argmax(axis=1)
    largest = np.repeat(values[each, best][:, np.newaxis], values.shape[1], axis=1)
    others = values.copy()
    others[each, best] = -np.inf
    largest[each, best] = others.max(axis=1)
    return largest


def effects_of_rows(
    samples: Decided, training: Training, members: Members
) -> NDArray[np.float64]:
    """Return how the margin of each sample changes without each training row.

    The result has the shape (n_samples, n_rows).
    """
    found = np.zeros((len(samples.margin), len(members.owners)))
    size = max(1, ELEMENTS // max(found.shape[0], training.means.shape[1]))
    for k in np.unique(members.owners):
        mine = np.flatnonzero((members.owners == k) & (members.weights > 0))
        for block in batches(len(mine), size):
            some = mine[block]
            rows = dense(rows_at(members.rows, some))
            found[:, some] = _effects(samples, training, k, rows, members.weights[some])
    return found


def _effects(
    samples: Decided, training: Training, k: int, rows: NDArray, weights: NDArray
) -> NDArray[np.float64]:
    """Return the changes of margins without each of some members of a prototype."""
    code = samples.rule.owners[k]
    left = left_of(training.counts[k], weights)
    share = np.divide(weights, left, out=np.zeros_like(left), where=left > 0)
    moves = share[:, np.newaxis] * (training.means[k] - rows)
    lighter, class_lighter = _changes_of_weights(samples.rule, training, k, weights)
    score = _similarities_after(samples, k, moves) + samples.rule.shift[k] + lighter
    rest = samples.rest[:, [k]] + class_lighter
    score = _joined(samples.rule, rest, np.where(left > 0, score, -np.inf))
    own = (samples.predicted == code)[:, np.newaxis]
    best = np.where(own, score, samples.score[:, np.newaxis])
    others = samples.others[:, [code]]
    margin = best - np.where(own, others, np.maximum(others, score))
    changes: NDArray[np.float64] = margin - samples.margin[:, np.newaxis]
    return changes


def _changes_of_weights(
    rule: Rule, training: Training, k: int, weights: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what the shift of a prototype, and of others of its class, changes by.

    Weights of other classes change by the same factor, so that margins do not.
    """
    none = np.zeros_like(weights)
    if not isinstance(training.priors, str) or training.priors == "uniform":
        return none, none
    of_class = training.priors == "class"
    count = training.class_counts[rule.owners[k]] if of_class else training.counts[k]
    with np.errstate(divide="ignore"):
        change = rule.temperature * np.log(left_of(count, weights) / count)
    return change, change if of_class else none


def _similarities_after(
    samples: Decided, k: int, moves: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return similarities to a prototype after each of some moves of it."""
    rule, before = samples.rule, samples.squared[:, [k]]
    placed = rule.metric.place(moves)
    back = placed @ rule.metric.map.T if rule.metric.mapped else placed
    along = safe_sparse_dot(samples.rows, back.T, dense_output=True)
    along -= back @ samples.prototypes[k]
    lengths = squared_norms(placed)
    squared = before - 2 * along + lengths
    row, move = np.nonzero(squared <= CANCELLED * (before + lengths))
    if len(row):
        apart = dense(rows_at(samples.rows, row)) - samples.prototypes[k] - moves[move]
        squared[row, move] = squared_norms(rule.metric.place(apart))
    found: NDArray[np.float64] = similarities(squared, rule.similarity, rule.epsilon)
    return found


def _joined(rule: Rule, rest: NDArray, score: NDArray) -> NDArray[np.float64]:
    """Return the score of a class from those of a prototype and of all others."""
    largest = np.maximum(rest, score)
    if rule.aggregation == "max":
        return largest
    with np.errstate(over="ignore", invalid="ignore"):  # a tiny temperature; no rest
        below = -np.abs(rest - score) / rule.temperature
    below = np.where(np.isfinite(largest), below, -np.inf)
    joined: NDArray[np.float64] = largest + rule.temperature * np.log1p(np.exp(below))
    return joined

"""The state of all prototypes, which edits change."""

import copy
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._classifier import KMExClassifier
from sklearn_kmex._data.arrays import squared_norms
from sklearn_kmex._data.rows import Rows
from sklearn_kmex._fit.prototypes import ClassPrototypes
from sklearn_kmex._fit.validation import class_priors
from sklearn_kmex._model.rule import metric_of
from sklearn_kmex._model.steps import copy_model, find_kmex


class State(NamedTuple):
    """Arrays with one entry for each prototype, in any order."""

    ids: NDArray[np.intp]  # numbers before the edit, -1 for added prototypes
    labels: NDArray
    vectors: NDArray
    means: NDArray  # of the training samples assigned to each, its members
    counts: NDArray[np.float64]
    nearest: NDArray  # nearest training samples
    rows: NDArray[np.intp]  # row numbers of these
    within: NDArray[np.float64]  # sums of squared distances of members to their mean

    def of(self, where: NDArray) -> "State":
        """Return the state of some prototypes."""
        return State(*(field[where] for field in self))


def read_prototypes(sem: KMExClassifier) -> State:
    """Read the state of a classifier.

    Only the sum of `within` of each class is known; it is divided by counts.
    """
    known = sem._known_prototypes().values()
    return State(
        np.arange(len(sem.prototypes_)),
        sem.prototype_classes_,
        sem.prototypes_,
        sem._member_means,
        sem.prototype_counts_,
        sem._nearest_rows,
        sem.prototype_indices_,
        np.concatenate([max(p.spread(), 0.0) * shares_of_members(p) for p in known]),
    )


def shares_of_members(prototypes: ClassPrototypes) -> NDArray[np.float64]:
    return prototypes.counts / prototypes.counts.sum()


def set_prototypes(
    sem: KMExClassifier, state: State, classes: NDArray
) -> NDArray[np.intp]:
    """Set the state of a classifier; return the former numbers of its prototypes.

    The map of the metric does not change, but `partial_fit` will continue from the
    covariance of the classes as they are now.
    """
    if metric_of(sem).mapped:
        sem._scatter = scatter_after(sem, state)
    groups = [np.flatnonzero(state.labels == label) for label in classes]
    learned = [prototypes_of_class(state.of(own), sem.n_iter_) for own in groups]
    sem._set_prototypes(classes, learned)
    mass = [state.counts[own].sum() for own in groups]
    sem.class_prior_ = class_priors(sem.priors_, mass)
    return state.ids[np.concatenate(groups)]


def scatter_after(sem: KMExClassifier, state: State) -> tuple[NDArray, float]:
    """Return the scatter of training rows about the means of their classes.

    About a fixed point, the products of rows do not depend on their classes.
    """
    products, fourth = sem._scatter
    before = read_prototypes(sem)
    center = before.means.mean(axis=0, dtype=np.float64)
    added = state.of(state.ids < 0)
    rows = added.means - center
    moved = class_products(before, center) - class_products(state, center)
    return products + moved + (rows.T * added.counts) @ rows, fourth


def class_products(state: State, center: NDArray) -> NDArray[np.float64]:
    """Return the products of the means of classes, times their weights."""
    labels, codes = np.unique(state.labels, return_inverse=True)
    sums = np.zeros((len(labels), len(center)))
    np.add.at(sums, codes, state.counts[:, np.newaxis] * (state.means - center))
    return (sums.T / np.bincount(codes, state.counts)) @ sums


def prototypes_of_class(own: State, n_iter: int) -> ClassPrototypes | None:
    """Return the prototypes of one class, or None if it has none."""
    if len(own.ids) == 0:
        return None
    moved = squared_norms(own.means.astype(np.float64) - own.vectors)
    return ClassPrototypes(
        own.vectors,
        own.means,
        own.counts,
        Rows(own.nearest, own.rows, own.counts),
        float(own.within.sum() + own.counts @ moved),
        n_iter,
    )


def combine(state: State, into: NDArray[np.intp]) -> State:
    """Assign the members of prototype i to prototype `into[i]`.

    Prototypes with `into[i] == i` remain, with their vectors and nearest samples. Means
    and squared distances are Euclidean, as in k-means, whatever metric decides.
    """
    kept, group = np.unique(into, return_inverse=True)
    counts = np.bincount(group, weights=state.counts).astype(np.float64)
    means = np.zeros((len(kept), state.means.shape[1]))
    np.add.at(means, group, state.counts[:, np.newaxis] * state.means)
    means /= counts[:, np.newaxis]
    alone = np.bincount(group) == 1  # means stay exactly as they are
    means[alone] = state.means[kept[alone]]
    moved = squared_norms(state.means - means[group])
    within = np.bincount(group, weights=state.within + state.counts * moved)
    return state.of(kept)._replace(
        means=means.astype(state.means.dtype),
        counts=counts,
        within=within.astype(np.float64),
    )


def copy_for_edit(psem: Any) -> tuple[Any, KMExClassifier]:
    """Return a copy of a model, and the classifier in that copy.

    Other steps are shallow copies, which share encoders with the original, as do
    teachers.
    """
    sem = find_kmex(psem)
    new = copy.deepcopy(sem, {id(sem.teacher): sem.teacher})
    return copy_model(psem, lambda part: new if part is sem else None), new

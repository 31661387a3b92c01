"""What an edit changes: all prototypes, and what a stream knows of them."""

import copy
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._classifier import KMExClassifier
from sklearn_kmex._data.arrays import squared_norms
from sklearn_kmex._data.rows import Rows
from sklearn_kmex._fit.prototypes import ClassPrototypes
from sklearn_kmex._fit.validation import class_priors
from sklearn_kmex._model.steps import copy_model, find_kmex


class State(NamedTuple):
    """Arrays with an entry for each prototype, in any order."""

    ids: NDArray[np.intp]  # numbers before the edit, -1 for an added one
    labels: NDArray
    vectors: NDArray
    means: NDArray  # of the members
    counts: NDArray[np.float64]
    nearest: NDArray  # nearest training rows
    rows: NDArray[np.intp]  # their numbers
    within: NDArray[np.float64]  # squared distances of members to their mean, summed

    def take(self, where: NDArray) -> "State":
        return State(*(field[where] for field in self))


def read(sem: KMExClassifier) -> State:
    """Read the prototypes. Of the spread within a class, only the sum is known."""
    known = sem._known_prototypes().values()
    return State(
        np.arange(len(sem.prototypes_)),
        sem.prototype_classes_,
        sem.prototypes_,
        sem._member_means,
        sem.prototype_counts_,
        sem._nearest_rows,
        sem.prototype_indices_,
        np.concatenate([max(p.spread(), 0.0) * share_of_rows(p) for p in known]),
    )


def share_of_rows(prototypes: ClassPrototypes) -> NDArray[np.float64]:
    return prototypes.counts / prototypes.counts.sum()


def write(sem: KMExClassifier, state: State, classes: NDArray) -> NDArray[np.intp]:
    """Set the prototypes; return the numbers that they had before."""
    groups = [np.flatnonzero(state.labels == label) for label in classes]
    learned = [class_state(state.take(own), sem.n_iter_) for own in groups]
    sem._set_prototypes(classes, learned)
    mass = [state.counts[own].sum() for own in groups]
    sem.class_prior_ = class_priors(sem.priors, mass)
    return state.ids[np.concatenate(groups)]


def class_state(own: State, n_iter: int) -> ClassPrototypes | None:
    """Put together what is known of one class, if it has prototypes."""
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


def pool(state: State, into: NDArray[np.intp]) -> State:
    """Give the members of each prototype to the one at the place it names.

    One that names its own place stays; vectors and nearest rows stay as they are.
    """
    kept, group = np.unique(into, return_inverse=True)
    counts = np.bincount(group, weights=state.counts).astype(np.float64)
    means = np.zeros((len(kept), state.means.shape[1]))
    np.add.at(means, group, state.counts[:, np.newaxis] * state.means)
    means /= counts[:, np.newaxis]
    alone = np.bincount(group) == 1  # to the last bit as before
    means[alone] = state.means[kept[alone]]
    moved = squared_norms(state.means - means[group])
    within = np.bincount(group, weights=state.within + state.counts * moved)
    return state.take(kept)._replace(
        means=means.astype(state.means.dtype),
        counts=counts,
        within=within.astype(np.float64),
    )


def copied(psem: Any) -> tuple[Any, KMExClassifier]:
    """Copy a model; return it with the classifier in it.

    Frozen encoders and other steps are shared; only their parameters are their own.
    """
    sem = find_kmex(psem)
    twin = copy.deepcopy(sem)
    return copy_model(psem, lambda part: twin if part is sem else None), twin

"""Suspect labels, and how many are more than the errors of a model explain."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.utils import gen_batches

from sklearn_kmex._data.arrays import BLOCK_ELEMENTS

N_CUTS = 100
DEVIATIONS = 3.0  # by which chance may exceed the expected number
LARGEST_LOSS = 1 / 3  # share of a class whose prototypes may be outvoted
DOUBT = 2.0  # factor by which probabilities of rare labels may be too small


class Reference(NamedTuple):
    """Weighted similarities of samples to prototypes, and codes of their classes."""

    similarities: NDArray  # (n_samples, n_prototypes)
    codes: NDArray[np.intp]  # classes of samples
    owners: NDArray[np.intp]  # classes of prototypes
    classes: NDArray  # by code


def find_outvoted(reference: Reference, winners: NDArray) -> NDArray[np.bool_]:
    """Mark prototypes that attract a larger share of another class.

    Those of wrong labels attract few samples of their class. Where classes overlap,
    prototypes of many samples are outvoted by chance, so that none of the class counts.
    """
    _, codes, owners, classes = reference
    shape = len(owners), len(classes)
    cells = np.ravel_multi_index((winners, codes), shape)
    votes = np.bincount(cells, minlength=np.prod(shape)).reshape(shape)
    shares = votes / np.maximum(votes.sum(axis=0), 1)
    lost = shares[np.arange(len(owners)), owners] < shares.max(axis=1)
    n_lost = np.bincount(owners, lost * votes[np.arange(len(owners)), owners])
    some_left = np.bincount(owners[~lost], minlength=len(classes)) > 0
    few = some_left & (n_lost <= LARGEST_LOSS * votes.sum(axis=0))
    return lost & few[owners]


def find_suspects(
    reference: Reference,
    outvoted: NDArray,
    min_suspicion: float,
    temperature: float | None,
    error_rate: float | None,
) -> dict[str, Any]:
    """Rank samples by suspicion, and count those that no errors explain."""
    similarities, codes, owners, classes = reference
    suspicion, rivals = _suspicion(reference, np.flatnonzero(~outvoted))
    own = [np.flatnonzero(~outvoted & (owners == k)) for k in range(len(classes))]
    known = (suspicion, similarities, own, temperature, error_rate)
    ranking = np.argsort(-suspicion, kind="stable")
    rows = ranking[: np.count_nonzero(suspicion > min_suspicion)]
    return {
        "suspect_rows": rows,
        "n_excess": _count_excess(*known),
        "suspicion": suspicion[rows],
        "suspect_labels": classes[codes[rows]],
        "suggested_labels": classes[owners[rivals[rows]]],
        "suggested_prototypes": rivals[rows],
    }


def _suspicion(reference: Reference, voters: NDArray) -> tuple[NDArray, NDArray]:
    """Return suspicion and the most similar prototype of another class.

    Only `voters`, the prototypes that are not outvoted, are considered.
    """
    similarities, codes, owners, _ = reference
    suspicion = np.empty(len(codes), dtype=similarities.dtype)
    rivals = np.empty(len(codes), dtype=np.intp)
    for rows in gen_batches(len(codes), max(1, BLOCK_ELEMENTS // len(owners))):
        similar = similarities[rows][:, voters]
        own = codes[rows, np.newaxis] == owners[voters]
        of_others = np.where(own, -np.inf, similar)
        best = np.where(own, similar, -np.inf).max(axis=1)
        suspicion[rows] = of_others.max(axis=1) - best
        rivals[rows] = voters[of_others.argmax(axis=1)]
    return suspicion, rivals


def _count_excess(
    suspicion: NDArray,
    similarities: NDArray,
    prototypes: Sequence[NDArray],
    temperature: float | None,
    error_rate: float | None,
) -> int:
    """Count the suspect labels that the errors of the model do not explain.

    Errors explain a share of the samples, the error rate. At each level of suspicion,
    they explain as many as if labels were drawn with the probabilities of the model, a
    softmax of the largest similarities to the `prototypes` of each class. The count is
    the larger of what the two leave.
    """
    wrong = np.sort(suspicion[suspicion > 0])
    excess = [0.0]
    if len(wrong) and error_rate is not None:
        excess.append(_beyond(len(wrong), error_rate * len(suspicion)))
    if len(wrong) and temperature is not None:
        cuts = np.append(0.0, np.quantile(wrong, np.arange(1, N_CUTS) / N_CUTS))
        found = len(wrong) - wrong.searchsorted(cuts, side="right")
        expected = _expected(similarities, prototypes, cuts, temperature)
        excess.append(_beyond(found, DOUBT * expected))
    return int(max(excess))


def _beyond(found: Any, expected: Any) -> float:
    """Return the largest number by which more is found than chance explains."""
    return float(np.max(found - expected - DEVIATIONS * np.sqrt(expected)))


def _expected(
    similarities: NDArray,
    prototypes: Sequence[NDArray],
    cuts: NDArray,
    temperature: float,
) -> NDArray[np.float64]:
    """Expect a number of labels more suspect than each cut, if the model drew them."""
    mass = np.zeros(len(cuts) + 1)
    size = max(1, BLOCK_ELEMENTS // similarities.shape[1])
    for rows in gen_batches(len(similarities), size):
        best = np.stack(
            [similarities[rows][:, own].max(axis=1) for own in prototypes], axis=1
        ).astype(np.float64)
        n_below = cuts.searchsorted(_lead_of_others(best)).ravel()
        mass += np.bincount(n_below, softmax(best / temperature, 1).ravel(), len(mass))
    return mass[::-1].cumsum()[::-1][1:]


def _lead_of_others(best: NDArray) -> NDArray[np.float64]:
    """Return the best score of the other classes minus that of each class."""
    second, first = np.partition(best, (-2, -1), axis=1)[:, -2:].T[:, :, np.newaxis]
    return np.where(best == first, second, first) - best

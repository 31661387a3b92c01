"""The margin between two prototypes: which two, in which columns, by which weights."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_kmex._model.decision import Decision
from sklearn_kmex._model.labels import class_codes
from sklearn_kmex._model.rule import Rule
from sklearn_kmex.explain._probe import row_lengths
from sklearn_kmex.explain._settings import check_labels_shape
from sklearn_kmex.explain._walk import Split


def sides(
    found: Decision, labels: ArrayLike | None, against: ArrayLike | None
) -> tuple[NDArray[np.intp], NDArray[np.intp] | None]:
    """Return the codes of the classes to explain and to compare with, if given."""
    n_samples = len(found.predicted)
    codes, others = found.predicted, None
    if labels is not None:
        given = check_labels_shape(labels, n_samples, "labels")
        codes = np.broadcast_to(class_codes(found.classes, given), n_samples)
    if against is not None:
        given = check_labels_shape(against, n_samples, "against")
        given = class_codes(found.classes, given, "against")
        others = np.broadcast_to(given, n_samples)
        if (codes == others).any():
            row = int(np.argmax(codes == others))
            raise ValueError(
                "against must be another class than the one that is explained; got "
                f"{found.classes[others[row]].item()!r} for both at sample {row}."
            )
    return codes, others


def rivals_of(
    found: Decision, codes: NDArray, others: NDArray | None
) -> NDArray[np.intp]:
    """Find the most similar prototype of the classes to compare with."""
    if others is not None:
        return found.nearest_of(others)
    return found.most_similar(found.owners != codes[:, np.newaxis])


def split_margin(Z: NDArray, rule: Rule, own: NDArray, rivals: NDArray) -> Split:
    """Split the margin over the features of embeddings."""
    metric = rule.metric
    Z, P = Z.astype(np.float64), np.asarray(rule.prototypes, dtype=np.float64)
    a, b = P[own], P[rivals]
    rows = np.nan_to_num(metric.direction(Z))  # rows of zeros have no direction
    slope, shift = 2 * (a - b), rows - (a + b) / 2
    if metric.mapped:
        of_map = np.asarray(metric.map, dtype=np.float64)
        slope = slope @ of_map @ of_map.T
    base, error = np.zeros(len(Z)), np.zeros(len(Z))
    split = Split(slope * shift, np.stack([a, b]), slope, shift, base, error)
    return split.before_division(row_lengths(Z, "l2")) if metric.unit else split


def margins_of_weights(
    found: Decision, rule: Rule, own: NDArray, rivals: NDArray
) -> dict[str, NDArray[np.float64]]:
    """Compare the similarities to two prototypes of each sample, and their weights."""
    rows = np.arange(len(own))
    similar = found.similarities.astype(np.float64)
    added = rule.shift[own] - rule.shift[rivals]
    in_squares = 2 * added
    if rule.similarity != "gaussian":
        in_squares[added != 0] = np.nan
    return {
        "similarity_margin": similar[rows, own] - similar[rows, rivals],
        "weight_margin": added,
        "weight_contribution": in_squares,
    }

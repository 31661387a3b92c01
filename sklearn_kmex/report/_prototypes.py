"""Descriptions of prototypes: training sample, use on the samples, warnings."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from sklearn_kmex.report._answers import Answers
from sklearn_kmex.report._estimates import shares
from sklearn_kmex.report._findings import warnings_by_prototype
from sklearn_kmex.report._known import Known
from sklearn_kmex.report._text import as_number

N_NEAREST = 3  # samples of each prototype
MOST_NEAREST = 900  # of all prototypes together, if there are many


def nearest_samples(answers: Answers) -> NDArray[np.intp]:
    """Return rows of the most similar samples, (n_prototypes, few).

    They are fewer if there are many prototypes, so that the page stays small.
    """
    similar = answers.decision.similarities
    n_each = max(1, MOST_NEAREST // similar.shape[1])
    few = min(N_NEAREST, n_each, len(similar))
    rows = np.argpartition(-similar, few - 1, axis=0)[:few]
    found = np.take_along_axis(similar, rows, axis=0)
    order = np.argsort(-found, axis=0, kind="stable")
    return np.take_along_axis(rows, order, axis=0).T


def prototype_cards(
    answers: Answers, sem: Any, names: list[str], findings: Bunch, known: Known
) -> list[dict[str, Any]]:
    """Describe each prototype and the samples it decides."""
    owners, rows = answers.decision.owners, answers.decision.training_rows
    n_prototypes = len(owners)
    usage = np.bincount(answers.nearest, minlength=n_prototypes)
    correct = answers.nearest[answers.of_class_of_nearest]
    n_correct = np.bincount(correct, minlength=n_prototypes)
    counts = np.asarray(getattr(sem, "prototype_counts_", [np.nan] * n_prototypes))
    are_rows = counts.sum() == getattr(sem, "n_samples_seen_", None)  # of weight 1
    by_label = answers.names(names)
    warnings = warnings_by_prototype(findings, usage, n_correct, by_label)
    nearest = nearest_samples(answers)
    return [
        {
            "prototype": k,
            "class": int(owners[k]),
            "label": names[owners[k]],
            "training_row": int(rows[k]) if rows[k] >= 0 else None,
            "weight": as_number(counts[k]),
            "n_training_rows": round(float(counts[k])) if are_rows else None,
            "usage": int(usage[k]),
            "n_correct": int(n_correct[k]),
            "purity": purity,
            "nearest": nearest_cards(answers, names, k, nearest[k], known),
            "warnings": warnings[k],
            **dict.fromkeys(["text", "picture", "columns"]),
        }
        for k, purity in enumerate(shares(n_correct, usage))
    ]


def nearest_cards(
    answers: Answers, names: list[str], prototype: int, rows: NDArray, known: Known
) -> list[dict[str, Any]]:
    similar = answers.decision.similarities[rows, prototype]
    owner = answers.decision.owners[prototype]
    return [
        {
            "row": int(row),
            "label": names[answers.codes[row]],
            "similarity": as_number(similarity),
            "typicality": known.share_below(owner, similarity),
            **dict.fromkeys(["text", "picture", "cells"]),
        }
        for row, similarity in zip(rows, similar, strict=True)
    ]

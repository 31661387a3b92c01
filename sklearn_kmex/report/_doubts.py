"""What the audit finds: of the training rows where these are known, or of samples."""

from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from sklearn_kmex.metrics import audit
from sklearn_kmex.report._answers import Answers
from sklearn_kmex.report._pictures import Rows

N_SUSPECTS = 20
FEW = 0.5  # a prototype that is right less often than this deserves a word


class Training(NamedTuple):
    """What is known of the training rows."""

    rows: Rows
    similarities: NDArray  # to each prototype


def find_doubts(
    sem: Any, answers: Answers, training: Training | None, labels: NDArray
) -> Bunch:
    """Audit, by similarities that are known; `what` names the rows audited."""
    if training is None or training.rows.y is None:
        found = audit_known(sem, answers.decision.similarities, labels)
        return Bunch(what="sample", **found)
    found = audit_known(sem, training.similarities, training.rows.y)
    return Bunch(what="training row", **found)


def audit_known(sem: Any, similarities: NDArray, labels: NDArray) -> Bunch:
    """Audit the rows of classes that have prototypes."""
    rows = np.flatnonzero(np.isin(labels, sem.prototype_classes_))
    if not len(rows):
        return nothing_found()
    known = SimpleNamespace(
        classes_=sem.classes_,
        prototypes_=sem.prototypes_,
        prototype_classes_=sem.prototype_classes_,
        transform=lambda some: similarities[some],
    )
    found = audit(known, rows, labels[rows])
    found.impure_prototypes.row = rows[found.impure_prototypes.row]
    found.suspect_rows = rows[found.suspect_rows]
    return found


def nothing_found() -> Bunch:
    nothing = np.empty(0, dtype=np.intp)
    pairs = Bunch(prototype=nothing, other=nothing, row=nothing, row_class=nothing)
    return Bunch(
        suspect_rows=nothing,
        suspect_labels=nothing,
        suggested_labels=nothing,
        suspicion=nothing,
        outvoted_prototypes=nothing,
        impure_prototypes=pairs,
        duplicate_prototypes=pairs,
    )


def suspect_labels(doubts: Bunch, by_label: dict[Any, str]) -> dict[str, Any]:
    """List the most suspect labels of training rows."""
    if doubts.what == "sample":
        return {"n_suspect_labels": None, "suspect_labels": []}
    columns = zip(
        doubts.suspect_rows[:N_SUSPECTS].tolist(),
        doubts.suspect_labels.tolist(),
        doubts.suggested_labels.tolist(),
        doubts.suspicion.tolist(),
        strict=False,
    )
    return {
        "n_suspect_labels": len(doubts.suspect_rows),
        "suspect_labels": [
            {
                "row": row,
                "label": by_label[label],
                "suggested_label": by_label[other],
                "suspicion": suspicion,
            }
            for row, label, other, suspicion in columns
        ],
    }


def prototype_warnings(
    doubts: Bunch, usage: NDArray, n_right: NDArray, by_label: dict[Any, str]
) -> list[list[str]]:
    """Say what is to be doubted about each prototype."""
    found: list[list[str]] = [[] for _ in usage]
    for k in np.flatnonzero(usage == 0):
        found[k].append("Ghost: no sample is more similar to it than to another one.")
    for k in np.flatnonzero((usage > 0) & (n_right < FEW * usage)):
        found[k].append(
            f"Right for only {n_right[k]} of the {usage[k]} samples it decides."
        )
    for k in doubts.outvoted_prototypes:
        found[k].append("Attracts a larger share of another class than of its own.")
    impure = doubts.impure_prototypes
    labels = [by_label[label] for label in impure.row_class.tolist()]
    for k, label, row in zip(impure.prototype, labels, impure.row, strict=True):
        found[k].append(f"The most similar {doubts.what}, {row}, is of class {label}.")
    pairs = doubts.duplicate_prototypes
    for k, other in zip(pairs.prototype, pairs.other, strict=True):
        found[k].append(f"Nearly the same as prototype {other}.")
        found[other].append(f"Nearly the same as prototype {k}.")
    return found

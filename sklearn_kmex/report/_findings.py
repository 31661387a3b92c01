"""What the audit finds in the training samples, or in the samples without these."""

from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from sklearn_kmex.metrics import audit
from sklearn_kmex.report._answers import Answers
from sklearn_kmex.report._estimates import share, wilson
from sklearn_kmex.report._pictures import SampleSet

# What `audit` reads of a model, beside its `transform`.
READ = (
    *("classes_", "prototypes_", "prototype_classes_", "prototype_weights_"),
    *("metric_", "metric_map_", "similarity_", "epsilon", "aggregation_"),
    "temperature_",
)
N_SUSPECTS = 20
N_CUTS = 50  # levels of suspicion
LOW_PURITY = 0.5


class TrainingSet(NamedTuple):
    """The training samples, their embeddings, and similarities to each prototype."""

    samples: SampleSet
    embeddings: Any
    similarities: NDArray
    codes: NDArray[np.intp]  # of their labels, or of the predictions without labels


def find_problems(
    sem: Any, answers: Answers, training: TrainingSet | None, labels: NDArray
) -> Bunch:
    """Audit the training samples if their labels are known, else the samples.

    The result is that of `audit`, with `what`, the kind of samples audited.
    """
    if training is None or training.samples.y is None:
        found = audit_known(sem, answers.decision.similarities, labels)
        return Bunch(what="sample", **found)
    known = sem, training.similarities, training.samples.y
    outvoted = audit_known(*known).outvoted_prototypes
    suspicion = suspicion_of(answers, outvoted)
    error_rate = share(suspicion > 0)["high"]
    found = audit_known(*known, error_rate)
    if len(outvoted):  # the probabilities are those of all prototypes together
        beyond = excess_over(suspicion, found.suspicion, len(training.codes))
        found.n_excess = min(found.n_excess, beyond)
    return Bunch(what="training sample", error_rate=error_rate, **found)


def suspicion_of(answers: Answers, outvoted: NDArray[np.intp]) -> NDArray:
    """Compute how much more similar samples are to another class, as the audit does."""
    found = answers.decision
    similar = found.similarities + found.shift
    similar[:, outvoted] = -np.inf
    own = found.owners == answers.codes[:, np.newaxis]
    of_others = np.where(own, -np.inf, similar).max(axis=1)
    best = np.where(own, similar, -np.inf).max(axis=1)
    return np.where(np.isneginf(best), np.inf, of_others - best)


def excess_over(reference: NDArray, suspicion: NDArray, n_rows: int) -> int:
    """Count the suspect rows, of `n_rows`, that are more than those of a reference.

    At each level of suspicion, the reference explains the upper end of its share, and
    three standard deviations of chance.
    """
    if not len(suspicion):
        return 0
    n_found = np.unique(np.geomspace(1, len(suspicion), N_CUTS).round()).astype(int)
    below = np.sort(reference).searchsorted(suspicion[n_found - 1])
    size = np.asarray(len(reference))
    expected = n_rows * wilson(size - below, size)[1]
    return max(0, int(np.max(n_found - expected - 3 * np.sqrt(expected))))


def audit_known(
    sem: Any, similarities: NDArray, labels: NDArray, error_rate: float | None = None
) -> Bunch:
    """Audit samples of known similarities, of the classes that have prototypes."""
    rows = np.flatnonzero(np.isin(labels, sem.prototype_classes_))
    if not len(rows):
        return nothing_found()
    read = {name: getattr(sem, name) for name in READ if hasattr(sem, name)}
    known = SimpleNamespace(**read, transform=lambda some: similarities[some])
    found = audit(known, rows, labels[rows], error_rate=error_rate)
    found.impure_prototypes.row = rows[found.impure_prototypes.row]
    found.suspect_rows = rows[found.suspect_rows]
    return found


def nothing_found() -> Bunch:
    nothing = np.empty(0, dtype=np.intp)
    pairs = Bunch(prototype=nothing, other=nothing, row=nothing, row_class=nothing)
    return Bunch(
        suspect_rows=nothing,
        n_excess=0,
        suspect_labels=nothing,
        suggested_labels=nothing,
        suspicion=nothing,
        outvoted_prototypes=nothing,
        unreachable_prototypes=nothing,
        impure_prototypes=pairs,
        duplicate_prototypes=pairs,
    )


def suspect_labels(findings: Bunch, by_label: dict[Any, str]) -> dict[str, Any]:
    """List the most suspect labels of training samples that no errors explain."""
    if findings.what == "sample":
        none = dict.fromkeys(["n_suspect_labels", "n_excess_labels", "error_rate"])
        return {**none, "suspect_labels": []}
    columns = zip(
        findings.suspect_rows[: min(N_SUSPECTS, findings.n_excess)].tolist(),
        findings.suspect_labels.tolist(),
        findings.suggested_labels.tolist(),
        findings.suspicion.tolist(),
        strict=False,
    )
    return {
        "n_suspect_labels": len(findings.suspect_rows),
        "n_excess_labels": findings.n_excess,
        "error_rate": findings.error_rate,
        "suspect_labels": [
            {
                "training_row": row,
                "label": by_label[label],
                "suggested_label": by_label[other],
                "suspicion": suspicion,
                **dict.fromkeys(["text", "picture", "cells"]),
            }
            for row, label, other, suspicion in columns
        ],
    }


def warnings_by_prototype(
    findings: Bunch, usage: NDArray, n_correct: NDArray, by_label: dict[Any, str]
) -> list[list[str]]:
    """List the warnings about each prototype."""
    found: list[list[str]] = [[] for _ in usage]
    for k in np.flatnonzero(usage == 0):
        found[k].append("Ghost: it is not the most similar prototype of any sample.")
    for k in findings.unreachable_prototypes:
        found[k].append("No sample can be decided by it: others outweigh or equal it.")
    for k in np.flatnonzero((usage > 0) & (n_correct < LOW_PURITY * usage)):
        found[k].append(
            f"Only {n_correct[k]} of the {usage[k]} samples it decides are of its "
            "class."
        )
    for k in findings.outvoted_prototypes:
        found[k].append("It attracts a larger share of another class than of its own.")
    impure = findings.impure_prototypes
    labels = [by_label[label] for label in impure.row_class.tolist()]
    for k, label, row in zip(impure.prototype, labels, impure.row, strict=True):
        found[k].append(
            f"The {findings.what} most similar to it, {row}, is of class {label}."
        )
    pairs = findings.duplicate_prototypes
    for k, other in zip(pairs.prototype, pairs.other, strict=True):
        found[k].append(f"Nearly identical to prototype {other}.")
        found[other].append(f"Nearly identical to prototype {k}.")
    return found

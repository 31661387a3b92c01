"""Training samples that support the decisions shown, and those that oppose them."""

from typing import Any

import numpy as np

from sklearn_kmex._data.samples import take
from sklearn_kmex._model.labels import class_codes
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.steps import embed_training, embeds_apart
from sklearn_kmex.explain import Influence, influence
from sklearn_kmex.report._answers import Answers
from sklearn_kmex.report._findings import TrainingSet
from sklearn_kmex.report._text import as_number

N_ROWS = 3  # for, and as many against
SIDES = ("supporting", "opposing")


def add_influence(
    cases: list[dict[str, Any]],
    psem: Any,
    answers: Answers,
    training: TrainingSet | None,
    names: list[str],
) -> None:
    """Fill in the training samples of the largest effects on each decision."""
    for case in cases:
        case["influence"] = None
    sem = find_sem(psem)
    if training is None or not holds_members(sem, answers, training):
        return
    Z = training.embeddings
    if embeds_apart(psem) and (Z := embed_training(psem, training.samples.X)) is None:
        return
    found = influence(
        sem,
        take(answers.embeddings, [case["row"] for case in cases]),
        Z,
        training.samples.y,
        n_rows=N_ROWS,
    )
    by_label = answers.names(names)
    for place, case in enumerate(cases):
        case["influence"] = {
            side: influence_cards(found, side, place, by_label) for side in SIDES
        }


def holds_members(sem: Any, answers: Answers, training: TrainingSet) -> bool:
    """Return whether training samples, of weight 1, are the members of means.

    They are not if the model was fitted with weights, or if edits moved prototypes to
    another class or dropped them with their members.
    """
    if getattr(sem, "prototype", None) != "centroid" or training.samples.y is None:
        return False
    counts, found = sem.prototype_counts_, answers.decision
    codes = class_codes(found.classes, training.samples.y, "y_train")
    n_classes = len(found.classes)
    of_class = np.bincount(found.owners, weights=counts, minlength=n_classes)
    return np.array_equal(counts, np.rint(counts)) and np.array_equal(
        of_class, np.bincount(codes, minlength=n_classes)
    )


def influence_cards(
    found: Influence, side: str, place: int, by_label: dict[Any, str]
) -> list[dict[str, Any]]:
    """Describe the training samples on one side of a decision."""
    rows, owners, effects = (
        getattr(found, f"{side}_{name}")[place].tolist()
        for name in ("rows", "prototypes", "effects")
    )
    labels = found.prototype_classes
    return [
        {
            "training_row": row,
            "label": by_label[np.asarray(labels[owner]).item()],
            "effect": as_number(effect),
            "changes_decision": bool(found.margin[place] + effect < 0),
            **dict.fromkeys(["id", "text", "picture", "cells"]),
        }
        for row, owner, effect in zip(rows, owners, effects, strict=True)
        if row >= 0
    ]

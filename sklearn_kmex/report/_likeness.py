"""Likeness of training samples that are shown, and members of winning prototypes."""

from typing import Any

from sklearn_kmex._data.samples import take
from sklearn_kmex.explain import explain
from sklearn_kmex.metrics import distinct_examples_score, example_likeness_score
from sklearn_kmex.report._answers import Answers
from sklearn_kmex.report._findings import TrainingSet


def describe_examples(
    answers: Answers, training: TrainingSet | None
) -> dict[str, Any] | None:
    """Compute likeness, and how many prototypes show a training sample of their own."""
    found = answers.decision
    if not are_known(answers, training):
        return None
    assert training is not None
    X, y = training.samples.X, training.samples.y
    likeness = None
    if y is not None:
        shown = found.training_rows[found.nearest_of(found.predicted)]
        likeness = example_likeness_score(
            answers.embeddings, shown, training.embeddings, y
        )
    n_prototypes = len(found.training_rows)
    distinct = distinct_examples_score(found.training_rows, X)
    return {
        "likeness": likeness,
        "n_distinct": round(distinct * n_prototypes),
        "n_prototypes": n_prototypes,
    }


def are_known(answers: Answers, training: TrainingSet | None) -> bool:
    """Return whether the training samples of the prototypes are known."""
    return training is not None and answers.decision.training_rows.min() >= 0


def member_cards(
    sem: Any, answers: Answers, training: TrainingSet | None, rows: list[int]
) -> list[list[dict[str, Any]]]:
    """Describe the members of winning prototypes that are most like some samples."""
    if not are_known(answers, training):
        return [[] for _ in rows]
    assert training is not None
    found = explain(
        sem,
        take(answers.embeddings, rows),
        X_train=training.embeddings,
        y_train=training.samples.y,
    )
    assert found.members is not None
    assert found.member_likeness is not None
    return [
        [
            {
                "training_row": row,
                "likeness": likeness,
                **dict.fromkeys(["text", "picture", "cells"]),
            }
            for row, likeness in zip(*pair, strict=True)
            if row >= 0
        ]
        for pair in zip(
            found.members.tolist(), found.member_likeness.tolist(), strict=True
        )
    ]

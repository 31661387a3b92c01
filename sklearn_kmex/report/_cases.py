"""Decisions to show: correct, wrong and uncertain ones, and dissimilar samples."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._draw.contrast import by_size
from sklearn_kmex.explain import Contrast, Explanation
from sklearn_kmex.report._answers import Answers
from sklearn_kmex.report._known import Known
from sklearn_kmex.report._text import as_cell, as_name, as_number

N_CASES = {"correct": 4, "wrong": 6, "uncertain": 4, "dissimilar": 4}
N_COLUMNS = 5


# What `show_samples` fills in.
SHOWN_BY = (
    *("text", "picture", "relevance", "relevance_of", "columns"),
    *("contributions", "contributions_rest"),
    *("contributions_method", "contributions_base"),
)


def choose_cases(answers: Answers) -> dict[str, list[int]]:
    """Choose rows of each kind, without repetition.

    They are the most confident errors; correct decisions of median confidence, of
    different classes if possible; the least confident decisions; and the samples of
    lowest similarity to their most similar prototype. Confidence is the probability of
    the predicted class, or the margin for a model without probabilities.
    """
    confidence, correct = answers.confidence, answers.correct
    confidence = answers.decision.margin if confidence is None else confidence
    rows = np.arange(len(correct))
    rankings = {
        "wrong": rows[~correct][np.argsort(-confidence[~correct], kind="stable")],
        "correct": typical_first(confidence, rows[correct], answers.codes),
        "uncertain": np.argsort(confidence, kind="stable"),
        "dissimilar": np.argsort(answers.similarity, kind="stable"),
    }
    taken: set[int] = set()
    chosen = {}
    for kind, ranking in rankings.items():
        fresh = (int(row) for row in ranking if row not in taken)
        chosen[kind] = list(islice(fresh, N_CASES[kind]))
        taken.update(chosen[kind])
    return {kind: chosen[kind] for kind in N_CASES}


def typical_first(confidence: NDArray, rows: NDArray, codes: NDArray) -> NDArray:
    """Order rows by distance to the median confidence, one row of each class first."""
    if not len(rows):
        return rows
    distance = np.abs(confidence[rows] - np.median(confidence[rows]))
    ordered = rows[np.argsort(distance, kind="stable")]
    first = np.sort(np.unique(codes[ordered], return_index=True)[1])
    return np.concatenate([ordered[first], np.delete(ordered, first)])


def case_cards(
    answers: Answers,
    chosen: dict[str, list[int]],
    explanation: Explanation,
    names: list[str],
    members: list[list[dict[str, Any]]],
    known: Known,
) -> list[dict[str, Any]]:
    """Describe each decision with its evidence, and members of its prototype."""
    by_label = answers.names(names)
    kinds = [(kind, row) for kind, rows in chosen.items() for row in rows]
    cards = []
    for place, (kind, row) in enumerate(kinds):
        decision = decision_card(explanation, place, by_label)
        label, codes = names[answers.codes[row]], answers.black_box
        shown = [one["label"] for one in decision["evidence"]]
        true = None if label in shown else true_class_card(answers, row, by_label)
        decision["evidence"] += [true] if true else []
        add_typicality(decision["evidence"], answers, known)
        cards.append(
            {
                "kind": kind,
                "row": row,
                "label": label,
                **decision,
                "members": members[place],
                "black_box": None if codes is None else name_of(names, codes[row]),
                **dict.fromkeys(SHOWN_BY),
            }
        )
    return cards


def add_typicality(
    evidence: list[dict[str, Any]], answers: Answers, known: Known
) -> None:
    """Add the share of known rows of the class of each prototype that are below."""
    owners = answers.decision.owners
    for one in evidence:
        similarity = one["similarity"]
        one["typicality"] = (
            None
            if similarity is None
            else known.share_below(owners[one["prototype"]], similarity)
        )


def name_of(names: list[str], code: int) -> str:
    return names[code] if code >= 0 else "a class unknown to the model"


def decision_card(
    explanation: Explanation, place: int, by_label: dict[Any, str]
) -> dict[str, Any]:
    """Describe a decision and the prototypes that support it."""
    decided = explanation[place]
    probability = decided.probability
    return {
        "prediction": by_label[decided.predictions.item()],
        "probability": None if probability is None else float(probability[0]),
        "runner_up": by_label[decided.runner_up.item()],
        "margin": as_number(decided.margin[0]),
        "evidence": [
            evidence_card(one.role, *one[1:], by_label=by_label)
            for one in explanation.evidence(place)
        ],
    }


def evidence_card(
    role: str,
    prototype: int,
    label: Any,
    similarity: float,
    training_row: int,
    *,
    by_label: dict[Any, str],
) -> dict[str, Any]:
    return {
        "role": role,
        "prototype": prototype,
        "label": by_label[np.asarray(label).item()],
        "similarity": as_number(similarity),
        "training_row": training_row if training_row >= 0 else None,
        **dict.fromkeys(["row", "text", "picture", "cells"]),
    }


def true_class_card(
    answers: Answers, row: int, by_label: dict[Any, str]
) -> dict[str, Any] | None:
    """Describe the most similar prototype of the true class, if there is one."""
    found, code = answers.decision, answers.codes[row]
    own = np.flatnonzero(found.owners == code)
    if not len(own):
        return None
    k = int(own[(found.similarities[row] + found.shift)[own].argmax()])
    similarity, train = found.similarities[row, k], int(found.training_rows[k])
    label = found.classes[code]
    return evidence_card("true class", k, label, similarity, train, by_label=by_label)


def contributions(
    found: Contrast, place: int, names: list[str], wanted: Sequence[int] = ()
) -> dict[str, Any]:
    """List the columns that contribute most to a decision, and the sum of the rest.

    Those wanted are listed in any case.
    """
    order = by_size(found.contributions)[place]
    leading = order[:N_COLUMNS]
    shown = [*leading, *(column for column in wanted if column not in leading)]
    rest = order[~np.isin(order, shown)]
    return {
        "contributions": [
            {
                "feature": as_name(names[column]),
                "value": as_cell(found.values[place, column]),
                "prototype_value": as_cell(found.prototype_values[place, column]),
                "against_value": as_cell(found.against_values[place, column]),
                "contribution": as_number(found.contributions[place, column]),
            }
            for column in shown
        ],
        "contributions_rest": {
            "n_columns": len(rest),
            "contribution": as_number(found.contributions[place, rest].sum()),
        },
        "contributions_method": found.method,
        "contributions_base": as_number(found.base[place]),
    }

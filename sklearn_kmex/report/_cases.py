"""Decisions to look at: right, wrong, unsure, and of samples unlike anything."""

from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._draw.contrast import by_size
from sklearn_kmex.explain import Contrast, Explanation
from sklearn_kmex.report._answers import Answers
from sklearn_kmex.report._text import as_cell, as_name, as_number

N_CASES = {"right": 4, "wrong": 6, "unsure": 4, "unlike": 4}
N_COLUMNS = 5


def choose_cases(answers: Answers) -> dict[str, list[int]]:
    """Choose rows of each kind, none twice.

    Wrong are those decided most clearly, right the usual ones, each of another class
    as far as possible, unsure those decided least clearly, unlike those of the lowest
    similarity to any prototype.
    """
    clarity, margin = answers.confidence, answers.decision.margin
    clarity = margin if clarity is None else clarity
    right, everything = answers.right, np.arange(len(answers.codes))
    rankings = {
        "wrong": everything[~right][np.argsort(-clarity[~right], kind="stable")],
        "right": usual(clarity, everything[right], answers.codes),
        "unsure": np.argsort(clarity, kind="stable"),
        "unlike": np.argsort(answers.best, kind="stable"),
    }
    taken: set[int] = set()
    chosen = {}
    for kind, rows in rankings.items():
        fresh = (int(row) for row in rows if row not in taken)
        chosen[kind] = list(islice(fresh, N_CASES[kind]))
        taken.update(chosen[kind])
    return {kind: chosen[kind] for kind in N_CASES}


def usual(clarity: NDArray, rows: NDArray, codes: NDArray) -> NDArray:
    """Order rows by how near to the median they are; one of each class comes first."""
    if not len(rows):
        return rows
    distance = np.abs(clarity[rows] - np.median(clarity[rows]))
    ordered = rows[np.argsort(distance, kind="stable")]
    first = np.sort(np.unique(codes[ordered], return_index=True)[1])
    return np.concatenate([ordered[first], np.delete(ordered, first)])


def case_cards(
    answers: Answers,
    chosen: dict[str, list[int]],
    explanation: Explanation,
    names: list[str],
) -> list[dict[str, Any]]:
    """Describe each case by the evidence for it."""
    by_label = answers.names(names)
    kinds = [(kind, row) for kind, rows in chosen.items() for row in rows]
    cards = []
    for place, (kind, row) in enumerate(kinds):
        decision = decision_card(explanation, place, by_label)
        label, theirs = names[answers.codes[row]], answers.black_box
        shown = [one["label"] for one in decision["evidence"]]
        true = None if label in shown else true_class_card(answers, row, by_label)
        decision["evidence"] += [true] if true else []
        cards.append(
            {
                "kind": kind,
                "row": row,
                "label": label,
                **decision,
                "black_box": None if theirs is None else name_of(names, theirs[row]),
                **dict.fromkeys(
                    ["text", "picture", "relevance", "columns", "contributions"]
                ),
            }
        )
    return cards


def name_of(names: list[str], code: int) -> str:
    return names[code] if code >= 0 else "a class that the model does not know"


def decision_card(
    explanation: Explanation, place: int, by_label: dict[Any, str]
) -> dict[str, Any]:
    """Describe what was decided, and the prototypes that made it so."""
    one = explanation[place]
    return {
        "prediction": by_label[one.predictions.item()],
        "probability": None if one.probability is None else float(one.probability[0]),
        "runner_up": by_label[one.runner_up.item()],
        "margin": as_number(one.margin[0]),
        "evidence": [
            evidence_card(like.role, *like[1:], by_label=by_label)
            for like in explanation.evidence(place)
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
        **dict.fromkeys(["row", "text", "picture"]),
    }


def true_class_card(
    answers: Answers, row: int, by_label: dict[Any, str]
) -> dict[str, Any] | None:
    """Describe the most similar prototype of the true class, if that has some."""
    found, code = answers.decision, answers.codes[row]
    own = np.flatnonzero(found.owners == code)
    if not len(own):
        return None
    k = int(own[found.similarities[row, own].argmax()])
    similarity, train = found.similarities[row, k], int(found.training_rows[k])
    label = found.classes[code]
    return evidence_card("true class", k, label, similarity, train, by_label=by_label)


def contributions(why: Contrast, place: int, names: list[str]) -> list[dict[str, Any]]:
    """List the columns that decide most between two prototypes."""
    return [
        {
            "feature": as_name(names[column]),
            "value": as_cell(why.values[place, column]),
            "prototype_value": as_cell(why.prototype_values[place, column]),
            "against_value": as_cell(why.against_values[place, column]),
            "contribution": as_number(why.contributions[place, column]),
        }
        for column in by_size(why.contributions)[place, :N_COLUMNS]
    ]

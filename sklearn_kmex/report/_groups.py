"""How the model does for groups of samples, and which groups its prototypes show."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import Bunch

from sklearn_kmex._model.labels import class_codes
from sklearn_kmex.metrics._group_scores import Outcomes, score_groups
from sklearn_kmex.metrics._grouping import check_same_attributes, make_groups
from sklearn_kmex.metrics._representation import describe as represent
from sklearn_kmex.metrics._representation import nearest_rows
from sklearn_kmex.report._answers import Answers
from sklearn_kmex.report._findings import TrainingSet
from sklearn_kmex.report._summary import Finding
from sklearn_kmex.report._text import (
    as_name,
    as_number,
    distinct,
    listed,
    percent,
    points,
)

CROSSINGS, MIN_SIZE = 2, 30
TITLES = {
    "accuracy": "Accuracy",
    "recall": "Recall of {}",
    "precision": "Precision of {}",
    "calibration": "Mean probability minus accuracy",
    "refusal": "Share rejected",
    "similarity_rank": "Rank of the similarity to the nearest prototype",
}
# What a group may be worse in: measure, direction, sentence, and what to do.
CONCERNS = (
    (
        "accuracy",
        -1,
        "The accuracy is lower than that of all other samples for {}.",
        "Do not rely on the accuracy of all samples for these. Compare recall as well: "
        "accuracy also differs if a group has more samples of the difficult classes. "
        "If recall is lower as well, collect training samples of them, or let people "
        "decide.",
    ),
    (
        "recall",
        -1,
        "The {} is lower than that of all other samples for {}.",
        "Look at what these samples lack. If missing this class does harm, do not use "
        "the model for them as it is.",
    ),
    (
        "calibration",
        1,
        "Predicted probabilities exceed the accuracy by more than those of all other "
        "samples for {}.",
        "Do not compare probabilities between groups.",
    ),
    (
        "refusal",
        1,
        "The model rejects a larger share than of all other samples for {}.",
        "Make sure that people decide on rejected samples as soon as on others.",
    ),
)


class Attributes(NamedTuple):
    """Attributes that define groups, of samples and of training samples."""

    samples: Any
    training: Any = None


def check_groups(groups: Attributes, n_samples: int, n_train: int | None) -> None:
    """Refuse attributes that do not fit the samples."""
    if groups.samples is not None:
        make_groups(groups.samples, n_samples, 1, "groups")
    if groups.training is None:
        return
    if n_train is None:
        raise ValueError("groups_train needs X_train; got None.")
    if groups.samples is not None:
        check_same_attributes(groups.samples, groups.training)
    make_groups(groups.training, n_train, 1, "groups_train")


def describe_groups(
    groups: Attributes,
    answers: Answers,
    training: TrainingSet | None,
    names: list[str],
) -> dict[str, Any] | None:
    """Describe groups as plain data; None if there are none."""
    if groups.samples is None:
        return None
    n_samples, decision = len(answers.codes), answers.decision
    outcomes = Outcomes(
        decision,
        answers.codes,
        answers.confidence,
        answers.accepted,
        answers.similarity,
    )
    known = make_groups(groups.samples, n_samples, CROSSINGS, "groups")
    shares = None
    if groups.training is not None and training is not None:
        shares = _represent(groups.training, answers, training)
    found = score_groups(
        outcomes, known, np.ones(n_samples), min_size=MIN_SIZE, representation=shares
    )
    return {
        "min_size": MIN_SIZE,
        "groups": _records(found.groups, "group"),
        "measures": _measures(found.scores, answers.names(names)),
        "too_small": _records(found.too_small, "group"),
        "representation": None if shares is None else _records(shares[0], "group"),
    }


def _represent(
    groups: Any, answers: Answers, training: TrainingSet
) -> tuple[Bunch, list[str]]:
    decision = answers.decision._replace(similarities=training.similarities)
    if training.samples.y is None:
        everywhere = np.full(training.similarities.shape, True)
        codes = decision.owners[decision.most_similar(everywhere)]
    else:
        codes = class_codes(decision.classes, training.samples.y, "y_train")
    rows, owner = nearest_rows(decision, codes), decision.nearest_of(codes)
    n_rows, n_prototypes = training.similarities.shape
    return represent(groups, n_rows, rows, owner, n_prototypes, CROSSINGS)


def _records(columns: Bunch, key: str) -> list[dict[str, Any]]:
    """Return columns as rows of plain values, with names as harmless text."""
    safe = distinct(map(as_name, columns[key]))
    others = {name: column.tolist() for name, column in columns.items() if name != key}
    return [
        {key: name, **{other: as_number(some[i]) for other, some in others.items()}}
        for i, name in enumerate(safe)
    ]


def _measures(scores: Bunch, by_label: dict[Any, str]) -> list[dict[str, Any]]:
    """Return the scores of each measure and class."""
    pairs = dict.fromkeys(zip(scores.measure.tolist(), scores.label, strict=True))
    found = []
    for name, label in pairs:
        of_pair = (scores.measure == name) & [one == label for one in scores.label]
        columns = Bunch(
            **{
                key: column[of_pair]
                for key, column in scores.items()
                if key not in ("measure", "label")
            }
        )
        text = None if label is None else by_label[label]
        found.append(
            {
                "measure": name,
                "label": text,
                "title": TITLES[name].format(text),
                "scores": _records(columns, "group"),
            }
        )
    return found


def group_warnings(groups: dict[str, Any] | None) -> Iterator[Finding]:
    """Warn about groups whose difference to the others chance does not explain."""
    if groups is None:
        return
    for measure, sign, text, action in CONCERNS:
        for one in groups["measures"]:
            if one["measure"] != measure:
                continue
            worse = [
                f"{row['group']} ({amount(measure, row['value'])})"
                for row in one["scores"]
                if is_apart(row, sign)
            ]
            title = one["title"][:1].lower() + one["title"][1:]
            parts = [title] if measure == "recall" else []
            if worse:
                yield Finding(text.format(*parts, listed(worse)), action)
    absent = unrepresented(groups, len_of_prototypes(groups))
    if absent:
        yield Finding(
            f"No prototype shows a training sample of {listed(absent)}, where at least "
            "one would be expected from their share of the training samples.",
            "Decisions about them are explained by samples of other groups. Fit more "
            "prototypes, or add some of them (edit.add_prototypes).",
        )


def amount(measure: str, value: float) -> str:
    """Return a value of a measure as text, in per cent or percentage points."""
    return f"{points(value)} points" if measure == "calibration" else percent(value)


def worst_group(groups: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the scores of the group of the lowest accuracy, if that is clearly lower.

    It is the lowest of the groups whose accuracy is lower than that of all other
    samples by more than chance explains.
    """
    measures = [] if groups is None else groups["measures"]
    low = [
        row
        for one in measures
        if one["measure"] == "accuracy"
        for row in one["scores"]
        if is_apart(row, -1)
    ]
    return min(low, key=lambda row: row["value"], default=None)


def is_apart(row: dict[str, Any], sign: int) -> bool:
    """Return whether the difference of a group is clear of 0 in a direction."""
    end = row["difference_low" if sign > 0 else "difference_high"]
    return end is not None and sign * end > 0


def len_of_prototypes(groups: dict[str, Any]) -> float:
    """Return the number of prototypes, from one group that has some."""
    shown = [row for row in groups["representation"] or [] if row["prototype_share"]]
    return shown[0]["n_prototypes"] / shown[0]["prototype_share"] if shown else 0.0


def unrepresented(groups: dict[str, Any], n_prototypes: float) -> Iterable[str]:
    """List groups without a prototype that would be expected to have one."""
    return [
        row["group"]
        for row in groups["representation"] or []
        if not row["n_prototypes"] and row["row_share"] * n_prototypes >= 1
    ]

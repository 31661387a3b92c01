"""The report in plain words: what holds, and what to be careful about."""

from collections.abc import Iterator
from typing import Any

from sklearn_kmex.report._likeness import TAIL
from sklearn_kmex.report._text import are, counted, interval, listed, percent, points

FEW_SAMPLES = 100


def summarize(content: dict[str, Any], decided_by_nearest: dict[str, Any]) -> list[str]:
    """Say the main things in sentences."""
    return [
        *likeness_sentences(content, decided_by_nearest),
        *edit_sentences(content["edits"]),
        *accuracy_sentences(content["performance"], content["data"]),
        *prototype_sentences(content["predicates"]["transparency"]),
        *probability_sentences(content["reliability"]),
        "None of this holds for data that differ from these samples.",
    ]


def likeness_sentences(
    content: dict[str, Any], by_nearest: dict[str, Any]
) -> Iterator[str]:
    model = content["model"]
    yield (
        f"The model tells {model['n_classes']} classes apart by likeness: a sample is "
        f"compared with {counted(model['n_prototypes'], 'prototype')}, each of which "
        "stands for rows that the model was trained on, and gets the class of what it "
        "resembles most."
    )
    if by_nearest["value"] < 1:
        yield (
            "More than the most similar prototype decides: it has the predicted class "
            f"for {percent(by_nearest['value'])} of the samples."
        )


def edit_sentences(edits: list[dict[str, Any]]) -> Iterator[str]:
    if edits:
        yield (
            f"After the training, people changed it by {counted(len(edits), 'edit')}, "
            "which are listed with their reasons."
        )


def accuracy_sentences(
    performance: dict[str, Any], data: dict[str, Any]
) -> Iterator[str]:
    accuracy, other = performance["accuracy"], performance["black_box"]
    yield (
        f"On {counted(accuracy['n'], 'sample')} it is right for "
        f"{percent(accuracy['value'])} (95 % interval {interval(accuracy)})."
    )
    if other is not None:
        yield (
            "The black box that it explains is right for "
            f"{percent(other['accuracy']['value'])}; the two decide alike on "
            f"{percent(other['agreement']['value'])}."
        )
    known = [one for one in performance["classes"] if one["recall"]["n"]]
    weakest = min(known, key=lambda one: one["recall"]["value"])
    if weakest["recall"]["value"] < 1:
        yield (
            f"It does worst on class {weakest['label']}, of which it finds "
            f"{percent(weakest['recall']['value'])} "
            f"({interval(weakest['recall'])})."
        )


def prototype_sentences(transparency: dict[str, Any]) -> Iterator[str]:
    n_ghosts, n = transparency["n_ghosts"], transparency["n_prototypes"]
    if n_ghosts:
        yield f"Of {counted(n, 'prototype')}, {n_ghosts} never decide here."
    else:
        yield "Each prototype decides some of the samples."


def probability_sentences(reliability: dict[str, Any] | None) -> Iterator[str]:
    if reliability is not None:
        yield (
            "Its probabilities differ from how often it is right by "
            f"{100 * reliability['calibration_error']:.1f} percentage points on "
            "average."
        )


def find_warnings(content: dict[str, Any]) -> list[dict[str, str]]:
    """List what a reader should look into, and the section that has the details."""
    sources = {
        "performance": performance_warnings(content["performance"]),
        "prototypes": prototype_warnings(content["prototypes"]),
        "reliability": reliability_warnings(
            content["reliability"], content["performance"]["accuracy"]
        ),
        "likeness": likeness_warnings(content["likeness"]),
        "data": data_warnings(content),
    }
    return [
        {"section": section, "text": text}
        for section, texts in sources.items()
        for text in texts
    ]


def performance_warnings(performance: dict[str, Any]) -> Iterator[str]:
    accuracy, other = performance["accuracy"], performance["black_box"]
    if accuracy["n"] < FEW_SAMPLES:
        yield f"Only {counted(accuracy['n'], 'sample')}: all shares are rough."
    if other is not None and other["gap"]["high"] < 0:
        yield (
            "The model is right less often than its black box, by "
            f"{points(-other['gap']['value']).lstrip('+')} percentage points."
        )
    absent = [one["label"] for one in performance["classes"] if not one["recall"]["n"]]
    if absent:
        yield f"No sample is of class {listed(absent)}: nothing is known of it."
    weak = [
        one["label"]
        for one in performance["classes"]
        if one["recall"]["n"] and one["recall"]["high"] < accuracy["low"]
    ]
    if weak:
        yield f"Clearly less right than on the whole for class {listed(weak)}."


def prototype_warnings(prototypes: list[dict[str, Any]]) -> Iterator[str]:
    doubtful = [str(card["prototype"]) for card in prototypes if card["warnings"]]
    if doubtful:
        yield (
            f"There are warnings about {counted(len(doubtful), 'prototype')}: "
            f"{listed(doubtful, 10)}."
        )


def reliability_warnings(
    reliability: dict[str, Any] | None, accuracy: dict[str, Any]
) -> Iterator[str]:
    """Warn where chance does not explain the difference."""
    if reliability is None:
        return
    confidence = reliability["mean_confidence"]
    if not accuracy["low"] <= confidence <= accuracy["high"]:
        too = "sure" if confidence > accuracy["high"] else "unsure"
        yield (
            f"Probabilities are too {too}: those of the predictions have a mean of "
            f"{percent(confidence)}, and {percent(accuracy['value'])} are right."
        )


def likeness_warnings(likeness: dict[str, Any]) -> Iterator[str]:
    below = likeness["below"]
    if below is not None and below["low"] > TAIL:
        yield (
            f"{percent(below['value'])} of the samples are less like any prototype "
            f"than {percent(1 - TAIL)} of the training rows: the model may not know "
            "them."
        )


def data_warnings(content: dict[str, Any]) -> Iterator[str]:
    data = content["data"]
    if data["shared_rows"]:
        yield (
            f"{are(len(data['shared_rows']), 'sample')} also in the training rows: "
            "the figures are too good."
        )
    if data["suspect_labels"]:
        yield (
            f"{are(data['n_suspect_labels'], 'training row')} more like another class "
            "than the own one: labels may be wrong."
        )
    if not content["model"]["has_seed"]:
        yield "random_state is None: another fit gives other prototypes."

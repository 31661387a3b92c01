"""The main results of a report, and its warnings, in sentences."""

from collections.abc import Iterator
from typing import Any

from sklearn_kmex.report._novelty import TAIL
from sklearn_kmex.report._text import are, counted, interval, listed, percent, points

FEW_SAMPLES = 100
DECIDED_BY = {"max": "most similar one", "sum": "most similar ones taken together"}


def summarize(content: dict[str, Any], decided_by_nearest: dict[str, Any]) -> list[str]:
    """Return the main results in sentences."""
    performance = content["performance"]
    return [
        *model_sentences(content["model"], content["rule"], decided_by_nearest),
        *rejection_sentences(performance["rejection"]),
        *edit_sentences(content["edits"]),
        *accuracy_sentences(performance),
        *prototype_sentences(content["predicates"]["transparency"]),
        *probability_sentences(content["reliability"]),
        "These results do not hold for data that differ from these samples.",
    ]


def model_sentences(
    model: dict[str, Any],
    rule: dict[str, Any] | None,
    decided_by_nearest: dict[str, Any],
) -> Iterator[str]:
    n_prototypes = counted(model["n_prototypes"], "prototype")
    yield (
        f"The model compares each sample with {n_prototypes} of {model['n_classes']} "
        "classes, each of which represents some training samples, and predicts the "
        f"class of the {DECIDED_BY[rule['aggregation'] if rule else 'max']}."
    )
    if rule is not None and rule["search"] is not None:
        why = rule["search"]["reason"]
        yield f"How it decides was chosen by held-out training samples: {why}"
    if decided_by_nearest["value"] < 1:
        yield (
            "Other prototypes count as well: the most similar one has the predicted "
            f"class for {percent(decided_by_nearest['value'])} of the samples."
        )


def rejection_sentences(rejection: dict[str, Any] | None) -> Iterator[str]:
    if rejection is None:
        return
    rejected, accuracy = rejection["rejected"], rejection["accuracy_of_accepted"]
    yield (
        f"The model rejects {percent(rejected['value'])} of the samples (95 % "
        f"confidence interval {interval(rejected)}), but all other figures and the "
        "decisions in this report are those of the classifier inside it, which "
        "classifies all samples."
    )
    if accuracy["n"]:
        yield (
            f"Of the {counted(accuracy['n'], 'accepted sample')}, it correctly "
            f"classifies {percent(accuracy['value'])} (95 % confidence interval "
            f"{interval(accuracy)})."
        )


def edit_sentences(edits: list[dict[str, Any]]) -> Iterator[str]:
    if edits:
        yield (
            f"After training, people edited it: {are(len(edits), 'edit')} listed with "
            "the reasons given."
        )


def accuracy_sentences(performance: dict[str, Any]) -> Iterator[str]:
    accuracy, other = performance["accuracy"], performance["black_box"]
    yield (
        f"It correctly classifies {percent(accuracy['value'])} of "
        f"{counted(accuracy['n'], 'sample')} (95 % confidence interval "
        f"{interval(accuracy)})."
    )
    if other is not None:
        yield (
            "The black box that it is compared to correctly classifies "
            f"{percent(other['accuracy']['value'])}; the two models predict the same "
            f"class for {percent(other['agreement']['value'])} of the samples."
        )
    known = [one for one in performance["classes"] if one["recall"]["n"]]
    lowest = min(known, key=lambda one: one["recall"]["value"])
    if lowest["recall"]["value"] < 1:
        yield (
            f"Recall is lowest for class {lowest['label']}: "
            f"{percent(lowest['recall']['value'])} "
            f"({interval(lowest['recall'])})."
        )


def prototype_sentences(transparency: dict[str, Any]) -> Iterator[str]:
    n_ghosts, n = transparency["n_ghosts"], transparency["n_prototypes"]
    if n_ghosts:
        yield f"Of {counted(n, 'prototype')}, {n_ghosts} decide none of the samples."
    else:
        yield "Each prototype decides some of the samples."


def probability_sentences(reliability: dict[str, Any] | None) -> Iterator[str]:
    if reliability is not None:
        yield (
            "The predicted probabilities differ from the share of correct predictions "
            f"by {100 * reliability['calibration_error']:.1f} percentage points on "
            "average."
        )


def find_warnings(content: dict[str, Any]) -> list[dict[str, str]]:
    """List warnings, with the section of the report that has the details."""
    sources = {
        "performance": performance_warnings(content["performance"]),
        "prototypes": prototype_warnings(content["prototypes"]),
        "reliability": reliability_warnings(
            content["reliability"], content["performance"]["accuracy"]
        ),
        "novelty": novelty_warnings(content["novelty"]),
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
        yield (
            f"Accuracy was measured on {counted(accuracy['n'], 'sample')} only: all "
            "shares are imprecise."
        )
    if other is not None and other["gap"]["high"] < 0:
        yield (
            "The model is less accurate than the black box, by "
            f"{points(-other['gap']['value']).lstrip('+')} percentage points."
        )
    if performance["black_box_doubt"] is not None:
        left_out = "" if other else "The model was not compared with its black box. "
        yield f"{left_out}{performance['black_box_doubt']}"
    absent = [one["label"] for one in performance["classes"] if not one["recall"]["n"]]
    if absent:
        yield f"Recall is unknown for {classes(absent)}: there are no samples."
    low = [
        one["label"]
        for one in performance["classes"]
        if one["recall"]["n"] and one["recall"]["high"] < accuracy["low"]
    ]
    if low:
        yield f"Recall is clearly lower than the accuracy for {classes(low)}."


def classes(labels: list[str]) -> str:
    return f"class{'' if len(labels) == 1 else 'es'} {listed(labels)}"


def prototype_warnings(prototypes: list[dict[str, Any]]) -> Iterator[str]:
    some = [str(card["prototype"]) for card in prototypes if card["warnings"]]
    if some:
        yield (
            f"There are warnings about {counted(len(some), 'prototype')}: "
            f"{listed(some, 10)}."
        )


def reliability_warnings(
    reliability: dict[str, Any] | None, accuracy: dict[str, Any]
) -> Iterator[str]:
    """Warn if the mean probability is outside the interval of the accuracy."""
    if reliability is None:
        return
    confidence = reliability["mean_confidence"]
    if not accuracy["low"] <= confidence <= accuracy["high"]:
        too = "high" if confidence > accuracy["high"] else "low"
        yield (
            f"Predicted probabilities are too {too}: their mean is "
            f"{percent(confidence)}, and {percent(accuracy['value'])} of the "
            "predictions are correct."
        )


def novelty_warnings(novelty: dict[str, Any]) -> Iterator[str]:
    below = novelty["below"]
    if below is not None and below["low"] > TAIL:
        yield (
            f"{percent(below['value'])} of the samples are less similar to any "
            f"prototype than {percent(1 - TAIL)} of the {novelty['among']}: the model "
            "may not have been trained on samples of their kind."
        )


def data_warnings(content: dict[str, Any]) -> Iterator[str]:
    data = content["data"]
    if data["shared_rows"]:
        yield (
            f"{are(len(data['shared_rows']), 'sample')} also in the training set: the "
            "figures are too optimistic."
        )
    if data["n_excess_labels"]:
        yield (
            f"About {counted(data['n_excess_labels'], 'training sample')} may have a "
            "wrong label: so many more are more similar to another class than the "
            "errors of the model explain."
        )
    if not content["model"]["has_seed"]:
        yield "random_state is None: another fit gives other prototypes."

"""The main results of a report in sentences, its warnings, and what it shows first."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from sklearn_kmex.report._novelty import TAIL
from sklearn_kmex.report._text import are, counted, interval, listed, percent, points

FEW_SAMPLES = 100
N_CLASSES, N_PROTOTYPES = 12, 8  # shown first, at most and about
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
    guess = performance["most_frequent"]
    yield (
        f"Always predicting {guess['label']}, the most frequent class of the "
        f"{guess['of']}, would be correct for {percent(guess['accuracy']['value'])}."
    )
    if other is not None:
        yield (
            "The black box that it is compared to correctly classifies "
            f"{percent(other['accuracy']['value'])}; the two models predict the same "
            f"class for {percent(other['agreement']['value'])} of the samples."
        )
    ranking = performance["ranking"]
    if ranking["mean_roc_auc"] is not None:
        yield (
            f"Ranked by {ranking['by']}, the mean ROC AUC of the classes is "
            f"{ranking['mean_roc_auc']:.3f}, and the mean average precision is "
            f"{ranking['mean_average_precision']:.3f}."
        )
    lowest = lowest_recall(performance)
    if lowest["recall"]["value"] < 1:
        yield (
            f"Recall is lowest for class {lowest['label']}: "
            f"{percent(lowest['recall']['value'])} "
            f"({interval(lowest['recall'])})."
        )


def lowest_recall(performance: dict[str, Any]) -> dict[str, Any]:
    """Return the class with the lowest recall, of those that have samples."""
    known = [one for one in performance["classes"] if one["recall"]["n"]]
    return min(known, key=lambda one: one["recall"]["value"])


def prototype_sentences(transparency: dict[str, Any]) -> Iterator[str]:
    n_ghosts, n = transparency["n_ghosts"], transparency["n_prototypes"]
    if n_ghosts:
        decide = "decides" if n_ghosts == 1 else "decide"
        yield f"{n_ghosts} of {counted(n, 'prototype')} {decide} none of the samples."
    else:
        yield "Each prototype decides some of the samples."


def probability_sentences(reliability: dict[str, Any] | None) -> Iterator[str]:
    if reliability is not None:
        yield (
            "The predicted probabilities differ from the share of correct predictions "
            f"by {100 * reliability['calibration_error']:.1f} percentage points on "
            "average."
        )


class Finding(NamedTuple):
    """What to look into, and what to do about it."""

    text: str
    action: str


def find_warnings(content: dict[str, Any]) -> list[dict[str, str]]:
    """List warnings, what to do about each, and the section that has the details."""
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
        {"section": section, **found._asdict()}
        for section, findings in sources.items()
        for found in findings
    ]


def performance_warnings(performance: dict[str, Any]) -> Iterator[Finding]:
    accuracy = performance["accuracy"]
    if accuracy["n"] < FEW_SAMPLES:
        yield Finding(
            f"Accuracy was measured on {counted(accuracy['n'], 'sample')} only: all "
            "shares are imprecise.",
            "Collect more labelled test samples before you decide about the model.",
        )
    yield from comparison_warnings(performance)
    yield from class_warnings(performance)


def comparison_warnings(performance: dict[str, Any]) -> Iterator[Finding]:
    """Warn if the model is no better than a guess, or worse than the black box."""
    guess, other = performance["most_frequent"], performance["black_box"]
    if guess["gap"]["low"] <= 0:
        yield Finding(
            "The model is not clearly more accurate than always predicting "
            f"{guess['label']}, the most frequent class: "
            f"{percent(performance['accuracy']['value'])} against "
            f"{percent(guess['accuracy']['value'])}.",
            "Judge it by recall, precision and ROC AUC of each class. If these are low "
            "as well, do not use it.",
        )
    if other is not None and other["gap"]["high"] < 0:
        yield Finding(
            "The model is less accurate than the black box, by "
            f"{points(-other['gap']['value']).lstrip('+')} percentage points.",
            "If this difference matters, fit again with more prototypes "
            "(n_prototypes).",
        )
    if performance["black_box_doubt"] is not None:
        left_out = "" if other else "The model was not compared with its black box. "
        yield Finding(
            f"{left_out}{performance['black_box_doubt']}",
            "Name the labels of the outputs with classes, or pass another black_box.",
        )


def class_warnings(performance: dict[str, Any]) -> Iterator[Finding]:
    """Warn about classes without samples, and of low recall."""
    known = [one for one in performance["classes"] if one["recall"]["n"]]
    absent = [one["label"] for one in performance["classes"] if not one["recall"]["n"]]
    if absent:
        yield Finding(
            f"Recall is unknown for {classes(absent)}: there are no samples.",
            "Collect test samples of each class, or do not use the model for these.",
        )
    least = performance["accuracy"]["low"]
    low = [
        f"{one['label']} ({percent(one['recall']['value'])})"
        for one in sorted(known, key=lambda one: one["recall"]["value"])
        if one["recall"]["high"] < least
    ]
    if low:
        yield Finding(
            f"Recall is clearly lower than the accuracy for {classes(low)}.",
            "Look at the errors; check labels, collect training samples or allow more "
            "prototypes of the class. Until then let people decide such cases.",
        )


def classes(labels: list[str]) -> str:
    return f"class{'' if len(labels) == 1 else 'es'} {listed(labels)}"


def prototype_warnings(prototypes: list[dict[str, Any]]) -> Iterator[Finding]:
    some = [card for card in prototypes if card["warnings"]]
    n_unused = sum(card["usage"] == 0 for card in some)
    decide = "decides" if n_unused == 1 else "decide"
    unused = f" ({n_unused} of them {decide} no sample)" if n_unused else ""
    if some:
        numbers = listed([card["prototype"] for card in some], 10)
        yield Finding(
            f"There are warnings about {counted(len(some), 'prototype')}{unused}: "
            f"{numbers}.",
            "Look at each. Drop it (edit.drop_prototypes), give it another class "
            "(edit.relabel_prototypes), or keep it.",
        )


def reliability_warnings(
    reliability: dict[str, Any] | None, accuracy: dict[str, Any]
) -> Iterator[Finding]:
    """Warn if the mean probability is outside the interval of the accuracy."""
    if reliability is None:
        return
    confidence = reliability["mean_confidence"]
    if not accuracy["low"] <= confidence <= accuracy["high"]:
        too = "high" if confidence > accuracy["high"] else "low"
        yield Finding(
            f"Predicted probabilities are too {too} on average: their mean is "
            f"{percent(confidence)}, and {percent(accuracy['value'])} of the "
            "predictions are correct.",
            "Keep this difference in mind when you read them. To correct it, use a "
            "CalibratedClassifierCV around the frozen model, fitted to held-out "
            "samples.",
        )


def novelty_warnings(novelty: dict[str, Any]) -> Iterator[Finding]:
    below = novelty["below"]
    if below is not None and below["low"] > TAIL:
        yield Finding(
            f"{percent(below['value'])} of the samples are less similar to any "
            f"prototype than {percent(1 - TAIL)} of the {novelty['among']}: the model "
            "may not have been trained on samples of their kind.",
            "Refuse such samples (RejectingClassifier), or collect training samples of "
            "their kind.",
        )


def data_warnings(content: dict[str, Any]) -> Iterator[Finding]:
    data = content["data"]
    if data["n_excess_labels"]:
        yield Finding(
            f"About {counted(data['n_excess_labels'], 'training sample')} may have a "
            "wrong label: more samples are most similar to another class than errors "
            "of the model explain.",
            "Let an expert check those listed first; correct the labels and fit again.",
        )
    if not content["model"]["has_seed"]:
        yield Finding(
            "random_state is None: another fit gives other prototypes.",
            "Set random_state, and fit again.",
        )


def choose_first(content: dict[str, Any]) -> dict[str, list[int]]:
    """Choose the prototypes and decisions that the first page shows.

    They are the most used prototypes of the largest classes, a typical correct decision
    and the most confident error.
    """
    rows = {one["kind"]: one["row"] for one in reversed(content["cases"])}
    known = content["performance"]["classes"]
    largest = sorted(range(len(known)), key=lambda code: -known[code]["recall"]["n"])
    n_each = max(1, N_PROTOTYPES // len(known))
    chosen: list[int] = []
    for code in sorted(largest[:N_CLASSES]):
        own = [one for one in content["prototypes"] if one["class"] == code]
        own.sort(key=lambda one: -one["usage"])
        used = [one for one in own if one["usage"]] or own[:1]
        chosen += [one["prototype"] for one in used[:n_each]]
    kinds = ("correct", "wrong")
    return {"prototypes": chosen, "cases": [rows[k] for k in kinds if k in rows]}

"""Explanations in sentences, for a terminal: a block of lines for each sample."""

from typing import Any

import numpy as np

from sklearn_kmex._draw.contrast import ContrastLike, by_size
from sklearn_kmex._draw.counterfactuals import CounterfactualsLike
from sklearn_kmex._draw.explained import (
    Evidence,
    ExplanationLike,
    examples_of,
    members_of,
    typicality_of,
)
from sklearn_kmex._draw.influence import InfluenceLike, effects_of
from sklearn_kmex._draw.terminal import listed_items, text_of

N_LARGEST = 3  # columns or rows on each side
N_DIFFERENCES = 10  # of groups


def explanation_lines(explanation: ExplanationLike, i: int) -> list[str]:
    """Say what is predicted, how surely, what the sample is like, and the runner-up."""
    evidence = explanation.evidence(i)
    own, other = (
        next(one for one in evidence if one.role == role)
        for role in ("predicted", "runner-up")
    )
    label = f"class {text_of(own.prototype_label)}"
    typical = text_of(typicality_of(explanation, i).replace("this class", label), 200)
    lines = [
        _prediction(explanation, i),
        f"Looks like {_where(own, explanation)}{f', {typical}' if typical else ''}.",
    ]
    if members := members_of(explanation, i):
        rows = listed_items([one.training_row for one in members])
        lines.append(f"Members of this prototype most like it: training rows {rows}.")
    if also := [one for one in evidence if not one.role]:
        also_like = "; ".join(_where(one, explanation) for one in also)
        lines.append(f"Then like {also_like}.")
    lines.append(
        f"Runner-up: class {text_of(explanation.runner_up[i])}, by a margin of "
        f"{explanation.margin[i]:.3g}; like {_where(other, explanation)}."
    )
    if (nearest := evidence[0].prototype_label) != own.prototype_label:
        lines.append(
            f"The most similar prototype is of class {text_of(nearest)}, but the "
            f"weights, or all prototypes together, decide for {label}."
        )
    if explanation.reasons is not None:
        lines.append(f"Reasons: {text_of(explanation.reasons[i], 200)}.")
    return lines


def _prediction(explanation: ExplanationLike, i: int) -> str:
    label = text_of(explanation.predictions[i])
    line = f"Sample {explanation.sample_indices[i]}: predicted {label}"
    if explanation.probability is not None:
        line += f", probability {_probability(explanation.probability[i])}"
    if explanation.accepted is not None and not explanation.accepted[i]:
        line += ", rejected"
    return f"{line}."


def _probability(value: float) -> str:
    """Write a probability; only that of exactly 1 is 1."""
    text = f"{value:.3g}"
    return "above 0.999" if text == "1" and value < 1 else text


def _where(one: Evidence, explanation: ExplanationLike) -> str:
    """Name the training row of a prototype, its class and the similarity to it.

    A text is quoted.
    """
    example = examples_of(explanation, [one.prototype])
    quoted = ""
    if example is not None and isinstance(example[0], str):
        quoted = f', "{text_of(example[0])}"'
    known = one.training_row >= 0
    what = f"training row {one.training_row}" if known else f"prototype {one.prototype}"
    label = text_of(one.prototype_label)
    return f"{what} of class {label}{quoted} (similarity {one.similarity:.3g})"


def contrast_lines(contrast: ContrastLike, i: int) -> list[str]:
    """Say which columns support a class, and which another."""
    label, against = (text_of(one[i]) for one in (contrast.labels, contrast.against))
    lines = [
        f"Sample {contrast.sample_indices[i]}: {label} rather than {against}, by a "
        f"margin of {contrast.margin[i]:.3g} in squared distance."
    ]
    sizes = contrast.contributions[i]
    for name, sign in ((label, 1), (against, -1)):
        order = by_size(contrast.contributions[[i]])[0]
        order = order[sign * sizes[order] > 0]
        columns = [
            f"{text_of(contrast.feature_names[j], 30)} = "
            f"{text_of(contrast.values[i][j], 20)} ({sizes[j]:+.3g})"
            for j in order[:N_LARGEST]
        ]
        if columns:
            lines.append(f"For {name}: {_and_more(columns, len(order), 'column')}.")
    if contrast.base[i]:
        lines.append(
            f"The sum starts from {contrast.base[i]:+.3g}, the margin if no column is "
            "known."
        )
    if contrast.decided_by_weights[i]:
        lines.append("The weights of the prototypes decide.")
    if contrast.space != "input":
        lines.append(f"Columns are those of the step {text_of(contrast.space)}.")
    return lines


def counterfactuals_lines(found: CounterfactualsLike, i: int) -> list[str]:
    """Say what would change a decision."""
    other, row = text_of(found.runner_up[i]), found.training_rows[i]
    where = f"training row {row}" if row >= 0 else "its most similar prototype"
    removed = np.flatnonzero(found.removed[i])
    which = f"prototype{'s' * (len(removed) > 1)} {listed_items(removed.tolist())}"
    return [
        f"Sample {found.sample_indices[i]}: predicted {text_of(found.predictions[i])}; "
        f"runner-up {other}, by a margin of {found.margin[i]:.3g}.",
        f"Nearest of class {other}: {where}, at a distance of "
        f"{found.distances[i]:.3g}.",
        f"Class {text_of(found.removed_to[i])} would be predicted without {which}.",
    ]


def influence_lines(found: InfluenceLike, i: int) -> list[str]:
    """Say which training rows support a decision, and which oppose it."""
    lines = [
        f"Sample {found.sample_indices[i]}: predicted {text_of(found.predictions[i])}; "
        f"runner-up {text_of(found.runner_up[i])}, by a margin of "
        f"{found.margin[i]:.3g}."
    ]
    for verb, role in (("smaller", "supporting"), ("larger", "opposing")):
        effects = [
            f"{row} of class {text_of(label)} ({effect:+.3g})"
            for row, label, effect in effects_of(found, role, i)
        ]
        if effects:
            shown = "; ".join(effects[:N_LARGEST])
            lines.append(f"The margin is {verb} without training row {shown}.")
    return lines


def audit_lines(found: Any) -> list[str]:
    """Say what an audit found, and what it did not find."""
    pairs = found.duplicate_prototypes
    listed = {
        "Labels that may be wrong": _suspects(found),
        "Prototypes outvoted by another class": found.outvoted_prototypes,
        "Prototypes whose most similar sample is of another class": (
            found.impure_prototypes.prototype
        ),
        "Prototypes that are the most similar one for no sample": (
            found.shadowed_prototypes
        ),
        "Near-duplicate prototypes": [
            f"{one} and {other}"
            for one, other in zip(pairs.prototype, pairs.other, strict=True)
        ],
    }
    if found.duplicate_rows is not None:
        listed["Test samples that are also in X"] = found.duplicate_rows.test_row
    there = [
        f"{what} ({len(some):,}): {listed_items(some)}."
        for what, some in listed.items()
        if len(some)
    ]
    if n_suspect := len(found.suspect_rows):
        explained = f"{n_suspect - found.n_excess:,}" if found.n_excess else "all"
        there.insert(1, f"Errors of the model explain {explained} of these labels.")
    absent = [what for what, some in listed.items() if not len(some)]
    return ["Audit", *there, *[f"{what}: none." for what in absent]]


def _suspects(found: Any) -> list[str]:
    """Name the rows of suspect labels, with both labels."""
    columns = (found.suspect_rows, found.suspect_labels, found.suggested_labels)
    return [
        f"row {row} (label {text_of(label)}, more like {text_of(other)})"
        for row, label, other in zip(*columns, strict=True)
    ]


def groups_lines(found: Any) -> list[str]:
    """Say which groups differ from all other samples, and which are not measured."""
    scores = found.scores
    apart = (scores.difference_low > 0) | (scores.difference_high < 0)
    lines = [
        f"{text_of(scores.group[i])}: {_measure(scores, i)} {scores.value[i]:.3g}, "
        f"{scores.difference[i]:+.3g} compared with all other samples (95 % interval "
        f"{scores.difference_low[i]:+.3g} to {scores.difference_high[i]:+.3g})."
        for i in np.flatnonzero(apart)[:N_DIFFERENCES]
    ]
    lines = lines or ["No group differs from all other samples by more than chance."]
    if (n_more := np.count_nonzero(apart) - N_DIFFERENCES) > 0:
        lines.append(f"{n_more:,} more differences; see frame().")
    listed = {
        "Too small": found.too_small.group,
        "No prototype stands for": found.unrepresented,
    }
    others = [f"{k}: {listed_items(some)}." for k, some in listed.items() if len(some)]
    return ["Groups", *lines, *others]


def _measure(scores: Any, i: int) -> str:
    """Name the measure of a row of scores, and its class."""
    label = scores.label[i]
    of_class = "" if label is None else f" of class {text_of(label)}"
    return f"{scores.measure[i].replace('_', ' ')}{of_class}"


def leaks_lines(found: Any) -> list[str]:
    """Say which test samples are copies of training samples."""
    pairs = found.pairs
    columns = (pairs.test_row, pairs.train_row, pairs.kind)
    what = [
        f"row {row} ({kind} to training row {other})"
        for row, other, kind in zip(*columns, strict=True)
    ]
    if not what:
        return ["Leaks", "No copies of training samples were found in the test set."]
    return [
        "Leaks",
        f"Test samples that are copies of training samples ({len(what):,}, of which "
        f"about {found.n_expected:,.0f} by chance): {listed_items(what)}.",
    ]


def drift_lines(found: Any) -> list[str]:
    """Say whether new samples differ, in what, and which prototypes they use."""
    tests = ", ".join(
        f"{what} {p_value:.3g}"
        for what, p_value in zip(found.tests.what, found.tests.p_value, strict=True)
    )
    result = "no difference was found between the new samples and the reference"
    if found.drifted:
        result = "the new samples differ from the reference"
    listed = {
        "Prototypes that decide a larger share": found.gained,
        "Prototypes that decide a smaller share": found.lost,
        "Rows least similar to any prototype": found.unfamiliar,
    }
    return [
        f"Drift: {result}.",
        f"Adjusted p-values: {tests}.",
        *[f"{k}: {listed_items(some)}." for k, some in listed.items() if len(some)],
    ]


def _and_more(items: list[str], total: int, what: str) -> str:
    """Join items, and say how many more there are."""
    n_more = total - len(items)
    more = f"; {n_more:,} more {what}{'s' * (n_more > 1)}" if n_more > 0 else ""
    return f"{'; '.join(items)}{more}"

"""An explanation as a table: each sample and its most similar prototypes."""

from typing import Any

import numpy as np

from sklearn_kmex._draw.explained import (
    Evidence,
    ExplanationLike,
    Member,
    all_members,
    by_sample,
    examples_of,
    members_of,
    typicality_of,
)
from sklearn_kmex._draw.pictures import thumbnails
from sklearn_kmex._draw.table import Cards, Line, Picture, Table, Words
from sklearn_kmex._draw.words import (
    MarkedText,
    example_text,
    member_texts,
    sample_text,
)

HEAD = ["sample", "prediction", "looks like", "runner-up", "margin"]


def explanation_table(
    explanation: ExplanationLike, n_rows: int, image_shape: tuple[int, ...] | None
) -> Table:
    """Describe the first samples, with pictures where they can be drawn."""
    shown, n_more = explanation[:n_rows], len(explanation) - n_rows
    evidence = [shown.evidence(row) for row in range(n_rows)]
    predictions = _predictions(shown)
    samples, examples, pictures = _pictures(shown, evidence, image_shape)
    rows = [
        [
            [
                *_sample(shown.sample_indices[row], predictions[row], samples[row]),
                *_known(sample_text(shown, row)),
            ],
            predictions[row],
            [
                *_looks_like(shown, some, examples),
                *_members_of(shown, row, pictures[row]),
            ],
            shown.runner_up[row],
            f"{shown.margin[row]:.3g}",
        ]
        for row, some in enumerate(evidence)
    ]
    return Table(repr(explanation), HEAD, rows, n_more)


def explanation_frame(
    pandas: Any, explanation: ExplanationLike, of_samples: dict[str, Any]
) -> Any:
    """Make a row for each prototype and member shown, with columns of their samples."""
    shown = [_rows_of_frame(explanation, row) for row in range(len(explanation))]
    counts = [len(some) for some in shown]
    columns = {
        name: np.repeat(values, counts)
        for name, values in of_samples.items()
        if values is not None
    }
    flat = [one for some in shown for one in some]
    found = pandas.DataFrame(flat, columns=[*Evidence._fields, "likeness"])
    if explanation.members is None:
        del found["likeness"]
    return pandas.concat([pandas.DataFrame(columns), found], axis=1)


def _rows_of_frame(explanation: ExplanationLike, row: int) -> list[tuple]:
    """List the evidence with members, and the likeness of these."""
    shown: list[tuple] = []
    for one in explanation.evidence(row):
        shown.append((*one, np.nan))
        members = members_of(explanation, row) if one.role == "predicted" else []
        shown += [
            (*one._replace(role="member", training_row=number), likeness)
            for number, likeness in members
        ]
    return shown


def _known(text: MarkedText | None) -> list[MarkedText]:
    return [] if text is None else [text]


def _looks_like(
    explanation: ExplanationLike, evidence: list[Evidence], pictures: dict[int, str]
) -> list[Any]:
    """Describe the prototypes that a sample looks like, with pictures or texts."""
    if not pictures:
        return [
            cell
            for one in evidence
            for cell in (_line(one), *_known(example_text(explanation, one.prototype)))
        ]
    return [Cards(_card(one, pictures[one.prototype]) for one in evidence)]


def _predictions(explanation: ExplanationLike) -> list[list[str]]:
    """List the lines that describe each prediction."""
    lines = [[str(label)] for label in explanation.predictions]
    for row, one in enumerate(lines):
        if explanation.probability is not None:
            one.append(f"p = {explanation.probability[row]:.3g}")
        if explanation.accepted is not None and not explanation.accepted[row]:
            one.append(Words("rejected"))
        if typical := typicality_of(explanation, row):
            one.append(Words(typical))
        if explanation.reasons is not None and explanation.words is None:
            one.append(str(explanation.reasons[row]))
    return lines


def _pictures(
    explanation: ExplanationLike,
    evidence: list[list[Evidence]],
    image_shape: tuple[int, ...] | None,
) -> tuple[list[str] | list[None], dict[int, str], list[list[str]]]:
    """Draw samples, training examples and members, where they are pictures."""
    shown = sorted({one.prototype for some in evidence for one in some})
    sources, of_examples, of_members = thumbnails(
        explanation.samples,
        examples_of(explanation, shown),
        all_members(explanation),
        image_shape=image_shape,
    )
    return (
        sources or [None] * len(evidence),
        dict(zip(shown, of_examples or [], strict=False)),
        by_sample(explanation, of_members),
    )


def _sample(number: int, prediction: list[str], source: str | None) -> list[Any]:
    if source is None:
        return [number]
    described = (f"sample {number}", "predicted", *prediction)
    return [number, Picture(source, described)]


def _card(one: Evidence, source: str) -> list[Any]:
    similarity = f"similarity {one.similarity:.4g}"
    label = f"class {one.prototype_label}"
    image = Picture(source, (_where(one), label, similarity))
    return [image, _with_role(one, one.prototype_label), similarity, _where(one)]


def _members_of(
    explanation: ExplanationLike, row: int, pictures: list[str]
) -> list[Any]:
    """Describe the members most like a sample, with pictures or texts."""
    members, texts = members_of(explanation, row), member_texts(explanation, row)
    if not texts:
        return _members(members, pictures)
    lines = (
        Words(
            f"member of the predicted prototype, training row {one.training_row}, "
            f"likeness {one.likeness:.3f}:"
        )
        for one in members
    )
    return [cell for pair in zip(lines, texts, strict=True) for cell in pair]


def _members(members: list[Member], pictures: list[str]) -> list[Any]:
    """Describe the members most like a sample, with pictures if there are any."""
    described = [
        (f"training row {one.training_row}", f"likeness {one.likeness:.3f}")
        for one in members
    ]
    if not described:
        return []
    head = "members of the predicted prototype most like it:"
    if not pictures:
        return [Words(f"{head} {'; '.join(', '.join(words) for words in described)}")]
    both = zip(pictures, described, strict=True)
    cards = ([Picture(source, words), *map(Words, words)] for source, words in both)
    return [Words(head), Cards(cards)]


def _line(one: Evidence) -> Line:
    similarity = _with_role(one, f"{one.similarity:.4g}")
    where = Words(f", {_where(one)}: ")
    return Line([one.prototype_label, where, similarity])


def _with_role(one: Evidence, value: Any) -> Line:
    return Line([value, Words(f" ({one.role})")] if one.role else [value])


def _where(one: Evidence) -> str:
    """Name the training row of a prototype, or the prototype if it has none."""
    if one.training_row >= 0:
        return f"training row {one.training_row}"
    return f"prototype {one.prototype}"

"""An explanation as a table: each sample and its most similar prototypes."""

from typing import Any

from sklearn_kmex._draw.explanation import Evidence, ExplanationLike, examples_of
from sklearn_kmex._draw.pictures import thumbnails
from sklearn_kmex._draw.table import Cards, Line, Picture, Table, Words

HEAD = ["sample", "prediction", "looks like", "runner-up", "margin"]


def explanation_table(
    explanation: ExplanationLike, n_rows: int, image_shape: tuple[int, ...] | None
) -> Table:
    """Describe the first samples, with pictures where they can be drawn."""
    evidence = [explanation.evidence(row) for row in range(n_rows)]
    predictions = _predictions(explanation, n_rows)
    samples, examples = _pictures(explanation, evidence, image_shape)
    rows = [
        [
            _sample(explanation.sample_indices[row], predictions[row], samples[row]),
            predictions[row],
            Cards(_card(one, examples[one.prototype]) for one in shown)
            if examples
            else [_line(one) for one in shown],
            explanation.runner_up[row],
            f"{explanation.margin[row]:.3g}",
        ]
        for row, shown in enumerate(evidence)
    ]
    return Table(repr(explanation), HEAD, rows, len(explanation) - n_rows)


def _predictions(explanation: ExplanationLike, n_rows: int) -> list[list[str]]:
    """List the lines that describe each prediction."""
    lines = [[str(label)] for label in explanation.predictions[:n_rows]]
    for row, one in enumerate(lines):
        if explanation.probability is not None:
            one.append(f"p = {explanation.probability[row]:.3g}")
        if explanation.accepted is not None and not explanation.accepted[row]:
            one.append(Words("rejected"))
    return lines


def _pictures(
    explanation: ExplanationLike,
    evidence: list[list[Evidence]],
    image_shape: tuple[int, ...] | None,
) -> tuple[list[str] | list[None], dict[int, str]]:
    """Draw each sample, and each training example shown, where they are pictures."""
    samples = explanation.samples
    shown = sorted({one.prototype for some in evidence for one in some})
    if samples is not None:
        samples = samples[: len(evidence)]
    sources, of_examples = thumbnails(
        samples, examples_of(explanation, shown), image_shape=image_shape
    )
    return (
        sources or [None] * len(evidence),
        dict(zip(shown, of_examples or [], strict=False)),
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

"""An Explanation as a table: each sample beside what it looks like."""

from typing import TYPE_CHECKING, Any

from sklearn_kmex._draw.html import Html, cards, picture, text
from sklearn_kmex._draw.pictures import thumbnails

if TYPE_CHECKING:
    from sklearn_kmex._draw.explanation import Evidence

HEAD = ["sample", "prediction", "looks like", "runner-up", "margin"]


def explanation_rows(explanation: Any, n_rows: int) -> list[list[Any]]:
    """Write the cells of the first samples, with pictures of what is one."""
    evidence = [explanation.evidence(row) for row in range(n_rows)]
    predictions = _predictions(explanation, n_rows)
    sources, known = _pictures(explanation, evidence)
    return [
        [
            _sample(explanation.sample_indices[row], predictions[row], sources[row]),
            predictions[row],
            cards(_card(one, known[one.prototype]) for one in some)
            if known
            else [_line(one) for one in some],
            explanation.runner_up[row],
            f"{explanation.margin[row]:.3g}",
        ]
        for row, some in enumerate(evidence)
    ]


def _predictions(explanation: Any, n_rows: int) -> list[list[str]]:
    labels = [str(label) for label in explanation.predictions[:n_rows]]
    if explanation.probability is None:
        return [[label] for label in labels]
    likely = explanation.probability[:n_rows]
    return [[label, f"p = {p:.3g}"] for label, p in zip(labels, likely, strict=True)]


def _pictures(
    explanation: Any, evidence: "list[list[Evidence]]"
) -> tuple[list[str] | list[None], dict[int, str]]:
    """Draw each sample, and each example that is shown; nothing for what cannot be."""
    samples, examples = explanation.samples, explanation.examples
    shown = sorted({one.prototype for some in evidence for one in some})
    if samples is not None:
        samples = samples[: len(evidence)]
    if examples is not None:
        examples = examples[explanation._example(shown)]
    sources, of_examples = thumbnails(samples, examples)
    return (
        sources or [None] * len(evidence),
        dict(zip(shown, of_examples or [], strict=False)),
    )


def _sample(number: int, prediction: list[str], source: str | None) -> list[Any]:
    if source is None:
        return [number]
    return [number, picture(source, f"sample {number}", "predicted", *prediction)]


def _card(one: "Evidence", source: str) -> list[Any]:
    similarity = f"similarity {one.similarity:.4g}"
    label = f"class {one.prototype_label}"
    image = picture(source, _where(one), label, similarity)
    return [image, _with_role(one, one.prototype_label), similarity, _where(one)]


def _line(one: "Evidence") -> Html:
    similarity = _with_role(one, f"{one.similarity:.4g}")
    return Html(f"{text(one.prototype_label)}, {_where(one)}: {similarity}")


def _with_role(one: "Evidence", value: Any) -> Html:
    return Html(f"{text(value)} ({one.role})") if one.role else text(value)


def _where(one: "Evidence") -> str:
    """Name a prototype by what a reader can look up."""
    if one.training_row >= 0:
        return f"training row {one.training_row}"
    return f"prototype {one.prototype}"

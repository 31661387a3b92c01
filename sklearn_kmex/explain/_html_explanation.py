"""An Explanation as a table: each sample beside what it looks like."""

from typing import TYPE_CHECKING, Any

import numpy as np

from sklearn_kmex.explain._html import Html, cards, picture, text
from sklearn_kmex.explain._thumbnails import thumbnails

if TYPE_CHECKING:
    from sklearn_kmex.explain._explanation import Evidence, Explanation

HEAD = ["sample", "prediction", "looks like", "runner-up", "margin"]


def explanation_rows(explanation: "Explanation") -> list[list[Any]]:
    """Write the cells of each sample, with pictures of what is one."""
    evidence = [explanation.evidence(row) for row in range(len(explanation))]
    shown = sorted({one.prototype for some in evidence for one in some})
    examples = None
    if explanation.examples is not None:
        examples = explanation.examples[
            np.searchsorted(explanation.example_prototypes, shown)  # type: ignore[arg-type]
        ]
    samples, of_prototypes = thumbnails(explanation.samples, examples)
    known = dict(zip(shown, of_prototypes or [], strict=False))
    return [
        _row(explanation, row, some, samples[row] if samples else None, known)
        for row, some in enumerate(evidence)
    ]


def _row(
    explanation: "Explanation",
    row: int,
    evidence: "list[Evidence]",
    source: str | None,
    known: dict[int, str],
) -> list[Any]:
    sample: list[Any] = [explanation.sample_indices[row]]
    prediction = [str(explanation.predictions[row])]
    if explanation.probability is not None:
        prediction.append(f"p = {explanation.probability[row]:.3g}")
    if source:
        described = f"sample {sample[0]}", "predicted", *prediction
        sample.append(picture(source, *described))
    return [
        sample,
        prediction,
        cards(map(_card, evidence, [known[one.prototype] for one in evidence]))
        if known
        else [_line(one) for one in evidence],
        explanation.runner_up[row],
        f"{explanation.margin[row]:.3g}",
    ]


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

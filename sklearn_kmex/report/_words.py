"""Words of the texts that a report shows."""

from typing import Any

import numpy as np

from sklearn_kmex._data.samples import sample
from sklearn_kmex._draw.words import (
    MarkedText,
    html_part,
    html_words,
    marked_of,
    part_of,
)
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex.exceptions import MissingDependencyError
from sklearn_kmex.explain._words import words_without_sampling
from sklearn_kmex.report._pictures import SampleSet

LONGEST = 4000  # characters of a text
SHORTEST = 200  # of those that the most relevant part of a text keeps
ALL_TEXTS = 400_000  # characters of all texts together


def show_words(
    psem: Any,
    content: dict[str, Any],
    samples: SampleSet,
    training: SampleSet | None,
) -> dict[str, Any]:
    """Return the marked texts of a report by key: "sample-3" is row 3 of the samples.

    Those of samples are for the predicted class, those of training samples for the
    class of the prototype that they are shown with.
    """
    texts, labels = {}, {}
    by_name = dict(
        zip(_names(content), np.asarray(find_sem(psem).classes_), strict=True)
    )
    for side, some in (("sample", samples), ("training", training)):
        for row, name in _shown(content, side):
            text = None if some is None else sample(some.X, row)
            if isinstance(text, str):
                texts[f"{side}-{row}"], labels[f"{side}-{row}"] = text, by_name[name]
    if not texts:
        return {}
    try:
        values = np.array(list(labels.values()))
        found = words_without_sampling(psem, list(texts.values()), values)
    except MissingDependencyError:
        return {}
    if found is None:
        return {}
    longest = min(LONGEST, max(SHORTEST, ALL_TEXTS // len(texts)))
    return {key: as_data(marked_of(found, n), longest) for n, key in enumerate(texts)}


def _names(content: dict[str, Any]) -> list[str]:
    return [one["label"] for one in content["data"]["classes"]]


def _shown(content: dict[str, Any], side: str) -> list[tuple[int, str]]:
    """List the rows that are shown, and the class that each is explained for."""
    if side == "sample":
        return [(case["row"], case["prediction"]) for case in content["cases"]]
    cases = content["cases"]
    shown = [
        *content["prototypes"],
        *(one for case in cases for one in case["evidence"]),
    ]
    rows = [(one["training_row"], one["label"]) for one in shown]
    rows += [
        (one["training_row"], case["prediction"])
        for case in cases
        for one in case["members"]
    ]
    sides = [some for case in cases for some in (case["influence"] or {}).values()]
    rows += [(one["training_row"], one["label"]) for some in sides for one in some]
    return [(row, name) for row, name in rows if row is not None]


def as_data(marked: MarkedText, longest: int) -> dict[str, Any]:
    """Describe the most relevant part of a marked text as plain data."""
    some = part_of(marked, longest)
    return {
        "text": some.text,
        "spans": np.asarray(some.spans).reshape(-1, 2).tolist(),
        "relevance": np.asarray(some.relevance).tolist(),
        "not_said": some.absent or {},
        "class": some.label,
    }


def marked_text(found: dict[str, Any]) -> str:
    """Write a marked text as HTML."""
    return html_words(_marked(found))


def marked_part(found: dict[str, Any], length: int) -> str:
    """Write the most relevant part of a marked text as HTML."""
    return html_part(_marked(found), length)


def _marked(found: dict[str, Any]) -> MarkedText:
    return MarkedText(
        *(found[key] for key in ("text", "spans", "relevance", "not_said"))
    )

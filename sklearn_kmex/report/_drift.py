"""Whether new samples are like the samples that the model was evaluated on."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._data.samples import len_of, sample
from sklearn_kmex._draw.html import clipped
from sklearn_kmex._model.decision import class_probabilities, decide
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.steps import embed
from sklearn_kmex.metrics._drift import compare, use_of
from sklearn_kmex.report._answers import Answers, in_blocks
from sklearn_kmex.report._pictures import SampleSet, encode
from sklearn_kmex.report._summary import Finding
from sklearn_kmex.report._table import Table, as_table, cells_of, named_values
from sklearn_kmex.report._text import as_number, as_text, listed

N_PROTOTYPES = 5  # whose examples are shown
N_COLUMNS = 8
N_ROWS = 5_000  # by which columns are compared
LONGEST = 400  # characters of a text
BUDGET = 300_000  # bytes of images
NAMES = {
    "usage": "use of prototypes",
    "similarity": "similarity to the nearest prototype",
    "probability": "probability of the predicted class",
}


def describe_drift(
    psem: Any, new: SampleSet | None, answers: Answers, names: list[str], bar: Any
) -> dict[str, Any] | None:
    """Compare new samples with the samples; None if there are none."""
    if new is None:
        return None
    Z = in_blocks(lambda X: embed(psem, X), new.X, bar)
    decision = decide(psem, Z)
    of_new = use_of(decision, class_probabilities(find_sem(psem), Z))
    found = compare(of_new, decision, use_of(answers.decision, answers.probabilities))
    by_label = answers.names(names)
    return {
        "n_new": len_of(new.X),
        "drifted": found.drifted,
        "tests": [
            {"what": what, "p_value": p_value, "differs": differs}
            for what, p_value, differs in _rows_of(found.tests)
        ],
        "prototypes": [
            dict(zip(found.prototypes, [k, by_label[label], *rest], strict=True))
            for k, label, *rest in _rows_of(found.prototypes)
        ],
        "gained": found.gained.tolist(),
        "lost": found.lost.tolist(),
        "similarity": _quantiles(found.similarity),
        "probability": _quantiles(found.probability),
        "examples": _examples(found, new),
    }


def _examples(found: Any, new: SampleSet) -> list[dict[str, Any]]:
    """Describe new samples of prototypes that gained, and unfamiliar ones."""
    rows = [(k, row) for k in found.gained[:N_PROTOTYPES] for row in found.examples[k]]
    rows += [(None, row) for row in found.unfamiliar]
    return [
        {
            "prototype": None if k is None else int(k),
            "row": int(row),
            "id": new.id(row),
            **dict.fromkeys(["text", "picture", "columns"]),
        }
        for k, row in rows
    ]


def _rows_of(columns: Any) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.tolist() for column in columns.values()), strict=True)


def _quantiles(found: Any) -> list[dict[str, Any]] | None:
    if found is None:
        return None
    return [
        {"share": share, "samples": as_number(ref), "new": as_number(new)}
        for share, ref, new in _rows_of(found)
    ]


def show_new(
    content: dict[str, Any],
    psem: Any,
    new: SampleSet | None,
    samples: SampleSet,
    feature_names: Any,
) -> None:
    """Fill in how examples of new samples are shown."""
    cards = content["drift"]["examples"] if content["drift"] else []
    if new is None or not cards:
        return
    rows = sorted({card["row"] for card in cards})
    pictures = new.pictures(rows)
    if pictures is not None:
        keys = [f"new-{row}" for row in rows]
        found = dict(zip(keys, pictures, strict=True))
        content["pictures"] |= encode(found, {}, {}, BUDGET)
        for card in cards:
            card["picture"] = f"new-{card['row']}"
        return
    if isinstance(sample(new.X, 0), str):
        for card in cards:
            card["text"] = clipped(as_text(sample(new.X, card["row"])), LONGEST)
        return
    table = as_table(psem, new.X, feature_names)
    reference = as_table(psem, samples.X, feature_names)
    if table is not None and reference is not None:
        show_columns(cards, table, changed_columns(table.cells, reference.cells))


def show_columns(
    cards: list[dict[str, Any]], table: Table, columns: NDArray[np.intp]
) -> None:
    """Show new samples by their values in some columns."""
    values = cells_of(table.cells, np.array([card["row"] for card in cards]))
    for card, row in zip(cards, values, strict=True):
        card["columns"] = named_values(table.names, columns, row[columns])


def changed_columns(new: Any, ref: Any) -> NDArray[np.intp]:
    """Return the columns whose distribution changed most, in their order."""
    rows = [some[:N_ROWS] for some in (new, ref)]
    dense = [cells_of(some, slice(None)) for some in rows]
    changes = [change(a, b) for a, b in zip(dense[0].T, dense[1].T, strict=True)]
    return np.sort(np.argsort(-np.array(changes), kind="stable")[:N_COLUMNS])


def change(new: NDArray, ref: NDArray) -> float:
    """Return the largest difference between the shares of values up to a value."""
    try:
        both = np.concatenate([new, ref]).astype(np.float64)
    except (TypeError, ValueError):
        both = np.concatenate([new, ref]).astype(str)
    codes = np.unique(both, return_inverse=True)[1]
    n_values = codes.max() + 1
    parts = codes[: len(new)], codes[len(new) :]
    shares = [np.bincount(one, minlength=n_values) / len(one) for one in parts]
    return float(np.abs(np.cumsum(shares[0] - shares[1])).max())


def drift_warnings(drift: dict[str, Any] | None) -> Iterator[Finding]:
    """Warn if new samples differ from those that the model was evaluated on."""
    if drift is None or not drift["drifted"]:
        return
    differs = [NAMES[one["what"]] for one in drift["tests"] if one["differs"]]
    yield Finding(
        f"New samples differ from the test samples in the {listed(differs)}: the "
        "figures of this report may not hold for them.",
        "Label some of the new samples, and measure the accuracy on these. Fit again "
        "if it is lower.",
    )

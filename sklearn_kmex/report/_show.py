"""What samples look like: pictures, texts, or values in columns."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._data.samples import sample, take
from sklearn_kmex._draw.html import clipped
from sklearn_kmex._draw.pictures import Scale, as_heat, channels_last
from sklearn_kmex.explain import Explanation, contrast
from sklearn_kmex.report._answers import Answers
from sklearn_kmex.report._cases import contributions
from sklearn_kmex.report._pictures import Rows, encode
from sklearn_kmex.report._table import (
    Table,
    as_table,
    cells_of,
    in_columns,
    places_in_class,
    telling_columns,
)
from sklearn_kmex.report._text import as_text

LONGEST = 400  # characters of a text


def show_samples(
    content: dict[str, Any],
    psem: Any,
    rows: Rows,
    train: Rows | None,
    answers: Answers,
    explanation: Explanation,
    feature_names: Sequence[str] | None,
) -> None:
    """Fill in what a reader sees of each sample and training row."""
    add_stand_ins(content)
    content["pictures"] = show_pictures(content, rows, train, explanation)
    for side, some in (("sample", rows), ("training", train)):
        if some is not None and isinstance(sample(some.X, 0), str):
            for card, row in shown_rows(content, side):
                card["text"] = clipped(as_text(sample(some.X, row)), LONGEST)
    table = None if content["pictures"] else as_table(psem, rows.X, feature_names)
    if table is not None:
        show_values(content, psem, table, rows, train, answers)


def shown_rows(content: dict[str, Any], side: str) -> Iterator[tuple[dict, int]]:
    """Yield the cards that show a sample, or those that show a training row."""
    evidence = [one for case in content["cases"] for one in case["evidence"]]
    nearest = [one for card in content["prototypes"] for one in card["nearest"]]
    if side == "training":
        cards, key = [*content["prototypes"], *evidence], "training_row"
    else:
        cards, key = [*content["cases"], *nearest, *evidence], "row"
    for card in cards:
        if card.get(key) is not None:
            yield card, card[key]


def add_stand_ins(content: dict[str, Any]) -> None:
    """Name the sample that shows a prototype whose training row is not at hand."""
    if content["data"]["training"] is not None:
        return
    for case in content["cases"]:
        for one in case["evidence"]:
            nearest = content["prototypes"][one["prototype"]]["nearest"]
            others = [other["row"] for other in nearest if other["row"] != case["row"]]
            one["row"] = others[0] if others else None


def show_pictures(
    content: dict[str, Any], rows: Rows, train: Rows | None, explanation: Explanation
) -> dict[str, str]:
    """Fill in keys of pictures, and return the pictures by key."""
    pictures: dict[str, NDArray] = {}
    uses: Counter[str] = Counter()
    for side, some in (("sample", rows), ("training", train)):
        if some is None:
            continue
        cards = list(shown_rows(content, side))
        found = by_row(some, (row for _, row in cards))
        for card, row in cards:
            if row in found:
                card["picture"] = f"{side}-{row}"
                pictures[card["picture"]] = found[row]
                uses[card["picture"]] += 1
    heat = {}
    if explanation.relevance is not None:
        heat = show_heat(content["cases"], pictures, explanation, rows)
    return encode(pictures, heat, uses)


def by_row(rows: Rows, wanted: Iterable[int]) -> dict[int, NDArray]:
    numbers = sorted(set(wanted))
    pictures = rows.pictures(numbers) if numbers else None
    return {} if pictures is None else dict(zip(numbers, pictures, strict=True))


def show_heat(
    cases: list[dict[str, Any]],
    pictures: dict[str, NDArray],
    explanation: Explanation,
    rows: Rows,
) -> dict[str, NDArray]:
    """Take the relevance for the most similar prototype, to draw it over a picture."""
    maps, samples = explanation.relevance, explanation.samples
    assert maps is not None
    shape = () if samples is None else samples.shape[1:]
    k = explanation.prototypes.shape[1]
    if maps.ndim > 2 and maps.shape[1] == k and maps.shape[1:] != shape:
        maps = maps[:, 0]
    given = rows.given if isinstance(rows.given, tuple) else None
    if maps.shape[1:] != shape or channels_last(maps, given) is not None:
        maps = as_heat(maps, shape, Scale(given))
    for case, heat in zip(cases, maps, strict=True):
        size = pictures[case["picture"]].shape[:2]
        if heat.shape != size:
            raise ValueError(
                "relevance must give maps of the shape of the pictures, "
                f"{size}; got {heat.shape}. Leave relevance out."
            )
        case["relevance"] = f"{case['picture']}-relevance"
    return {case["picture"]: heat for case, heat in zip(cases, maps, strict=True)}


def show_values(
    content: dict[str, Any],
    psem: Any,
    table: Table,
    rows: Rows,
    train: Rows | None,
    answers: Answers,
) -> None:
    """Fill in values of prototypes and cases, and the columns that decide."""
    owners, codes = answers.decision.owners, answers.codes
    values = prototype_rows(psem, table, train, answers)
    columns = telling_columns(table.cells, values)
    places = places_in_class(table, columns, values, owners, codes)
    for card, place in zip(content["prototypes"], places, strict=True):
        card["columns"] = place
    numbers = [case["row"] for case in content["cases"]]
    own = cells_of(table.cells, numbers)
    predicted = answers.decision.predicted[numbers]
    for case, place in zip(
        content["cases"],
        places_in_class(table, columns, own, predicted, codes),
        strict=True,
    ):
        case["columns"] = place
    why = contrast(psem, take(rows.X, numbers))
    if why.space == "input":
        for at, case in enumerate(content["cases"]):
            case["contributions"] = contributions(why, at, table.names)


def prototype_rows(
    psem: Any, table: Table, train: Rows | None, answers: Answers
) -> NDArray:
    """Values that stand for prototypes: their own, of training rows, or of samples."""
    own, known = in_columns(psem, table), answers.decision.training_rows
    if own is not None:
        return own
    if train is not None and known.min() >= 0:
        theirs = as_table(psem, train.X, table.names)
        assert theirs is not None
        return cells_of(theirs.cells, known)
    mine = answers.codes[:, np.newaxis] == answers.decision.owners
    similar = answers.decision.similarities
    best = np.where(mine, similar, -np.inf).argmax(axis=0)
    absent = ~mine.any(axis=0)
    best[absent] = similar[:, absent].argmax(axis=0)
    return cells_of(table.cells, best)

"""Samples as images, texts, or values in columns."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._data.samples import sample, take
from sklearn_kmex._draw.html import clipped
from sklearn_kmex._draw.pictures import Scale, as_heat, channels_last
from sklearn_kmex.explain import Explanation, contrast
from sklearn_kmex.inspection._examples import prototypes_in_columns
from sklearn_kmex.report._answers import Answers
from sklearn_kmex.report._cases import contributions
from sklearn_kmex.report._pictures import BUDGET, Heat, SampleSet, encode
from sklearn_kmex.report._table import (
    Table,
    as_table,
    cells_of,
    columns_note,
    leading_columns,
    named_values,
    numbers_of,
    places_in_class,
)
from sklearn_kmex.report._text import as_text
from sklearn_kmex.report._words import show_words

LONGEST = 400  # characters of a text
N_BRIEF = 6  # columns of rows that are shown in one line
# Bytes of a page, of a page without images and prototypes but with examples of new
# samples, and of what it says about each prototype and class.
PAGE, REST, OF_PROTOTYPE, OF_CLASS = 4_900_000, 700_000, 1_500, 1_000


def show_samples(
    content: dict[str, Any],
    psem: Any,
    samples: SampleSet,
    training: SampleSet | None,
    answers: Answers,
    explanation: Explanation,
    feature_names: Sequence[str] | None,
    columns: Sequence[str | int] | None,
) -> None:
    """Fill in how each sample and training sample is shown."""
    add_stand_ins(content)
    show_ids(content, samples, training)
    content["words"] = {}
    content["pictures"] = show_pictures(content, samples, training, explanation)
    content["picture_note"] = samples.picture_note() if content["pictures"] else ""
    for side, some in (("sample", samples), ("training", training)):
        if some is not None and isinstance(sample(some.X, 0), str):
            for card, row in shown_rows(content, side):
                card["text"] = clipped(as_text(sample(some.X, row)), LONGEST)
    if any(case["text"] is not None for case in content["cases"]):
        content["words"] = show_words(psem, content, samples, training)
    content["columns_note"] = ""
    table = None if content["pictures"] else as_table(psem, samples.X, feature_names)
    content["data"]["n_columns"] = None
    if table is not None:
        wanted = numbers_of(table.names, columns)
        shown = show_values(content, psem, table, wanted, samples, training, answers)
        show_brief_values(content, psem, table, training, shown[:N_BRIEF])


def show_ids(
    content: dict[str, Any], samples: SampleSet, training: SampleSet | None
) -> None:
    """Fill in the label of each row in the index of its frame, if it has one."""
    for card in all_cards(content):
        card["id"] = None
    for side, some in (("sample", samples), ("training", training)):
        if some is not None:
            for card, row in shown_rows(content, side):
                card["id"] = some.id(row)


def all_cards(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the cards of prototypes and cases, those inside them, and suspects."""
    yield from content["data"]["suspect_labels"]
    for prototype in content["prototypes"]:
        yield prototype
        yield from prototype["nearest"]
    for case in content["cases"]:
        yield case
        yield from case["evidence"]
        yield from case["members"]
        for some in (case["influence"] or {}).values():
            yield from some


def shown_rows(content: dict[str, Any], side: str) -> Iterator[tuple[dict, int]]:
    """Yield the cards that show a sample or a training sample, with its row."""
    key = "training_row" if side == "training" else "row"
    for card in all_cards(content):
        if card.get(key) is not None:
            yield card, card[key]


def add_stand_ins(content: dict[str, Any]) -> None:
    """Choose samples that represent prototypes if training samples are unknown."""
    if content["data"]["training"] is not None:
        return
    for case in content["cases"]:
        for one in case["evidence"]:
            nearest = content["prototypes"][one["prototype"]]["nearest"]
            others = [other["row"] for other in nearest if other["row"] != case["row"]]
            one["row"] = others[0] if others else None


def show_pictures(
    content: dict[str, Any],
    samples: SampleSet,
    training: SampleSet | None,
    explanation: Explanation,
) -> dict[str, str]:
    """Fill in the keys of images, and return the images by key."""
    pictures: dict[str, NDArray] = {}
    uses: Counter[str] = Counter()
    for side, some in (("sample", samples), ("training", training)):
        if some is None:
            continue
        cards = list(shown_rows(content, side))
        found = by_row(some, (row for _, row in cards))
        for card, row in cards:
            if row in found:
                card["picture"] = f"{side}-{row}"
                pictures[card["picture"]] = found[row]
                uses[card["picture"]] += 1
    uses.update(filter(None, first_pictures(content)))
    heat = {}
    if explanation.relevance is not None:
        heat = show_heat(content["cases"], pictures, explanation, samples)
    return encode(pictures, heat, uses, budget_of(content))


def budget_of(content: dict[str, Any]) -> int:
    """Return the bytes that images may have; on the page they have a third more."""
    of_prototypes = OF_PROTOTYPE * len(content["prototypes"])
    of_classes = OF_CLASS * len(content["performance"]["classes"])
    return min(BUDGET, (PAGE - REST - of_prototypes - of_classes) * 3 // 4)


def first_pictures(content: dict[str, Any]) -> Iterator[str | None]:
    """Yield the keys of the images that the first page shows once more."""
    first = content["first"]
    for number in first["prototypes"]:
        yield content["prototypes"][number]["picture"]
    for case in content["cases"]:
        if case["row"] in first["cases"]:
            yield case["picture"]
            yield from (one["picture"] for one in case["evidence"])


def by_row(samples: SampleSet, wanted: Iterable[int]) -> dict[int, NDArray]:
    numbers = sorted(set(wanted))
    pictures = samples.pictures(numbers) if numbers else None
    return {} if pictures is None else dict(zip(numbers, pictures, strict=True))


def show_heat(
    cases: list[dict[str, Any]],
    pictures: dict[str, NDArray],
    explanation: Explanation,
    samples: SampleSet,
) -> dict[str, Heat]:
    """Fill in keys of relevance maps, and return the maps by key of the image.

    They are those of the margin, or of the most similar prototype if they were given
    for each prototype. Maps of another size than the images are drawn over what the
    network takes.
    """
    maps, below = explanation.relevance, explanation.samples
    scale, grounds = Scale(samples.image_shape), None
    if explanation.inputs is not None:
        below, scale = explanation.inputs, Scale()
        grounds = channels_last(below, None)
    assert maps is not None
    shape = () if below is None else below.shape[1:]
    k = explanation.prototypes.shape[1]
    if maps.ndim > 2 and maps.shape[1] == k and maps.shape[1:] != shape:
        maps = maps[:, 0]
    if maps.shape[1:] != shape or channels_last(maps, scale.image_shape) is not None:
        maps = as_heat(maps, shape, scale)
    found = {}
    for place, (case, heat) in enumerate(zip(cases, maps, strict=True)):
        size = pictures[case["picture"]].shape[:2]
        ground = None if heat.shape == size or grounds is None else grounds[place]
        if heat.shape != size and (ground is None or ground.shape[:2] != heat.shape):
            raise ValueError(
                "relevance must give maps of the shape of the images, "
                f"{size}; got {heat.shape}. Leave relevance out."
            )
        case["relevance"] = f"{case['picture']}-relevance"
        case["relevance_of"] = explanation.relevance_of
        found[case["picture"]] = Heat(heat, ground)
    return found


def show_values(
    content: dict[str, Any],
    psem: Any,
    table: Table,
    wanted: Sequence[int],
    samples: SampleSet,
    training: SampleSet | None,
    answers: Answers,
) -> NDArray[np.intp]:
    """Fill in values of prototypes and cases, and contributions of columns.

    Returns the numbers of the columns.
    """
    owners, codes = answers.decision.owners, answers.codes
    numbers = [case["row"] for case in content["cases"]]
    X_train = None if training is None else training.X
    found = contrast(psem, take(samples.X, numbers), X_train=X_train)
    known = found.contributions if found.space == "input" else None
    values = prototype_rows(psem, table, training, answers)
    columns = leading_columns(table.cells, values, known, wanted)
    own = cells_of(table.cells, numbers)
    predicted = answers.decision.predicted[numbers]
    for cards, shown, of in (
        (content["prototypes"], values, owners),
        (content["cases"], own, predicted),
    ):
        places = places_in_class(table, columns, shown, of, codes)
        for card, columns_of in zip(cards, places, strict=True):
            card["columns"] = columns_of
    content["columns_note"] = columns_note(
        table.names, columns, known is not None, len(wanted)
    )
    content["data"]["n_columns"] = len(table.names)
    if known is not None:
        for place, case in enumerate(content["cases"]):
            case |= contributions(found, place, table.names, wanted)
    return columns


def show_brief_values(
    content: dict[str, Any],
    psem: Any,
    table: Table,
    training: SampleSet | None,
    columns: NDArray[np.intp],
) -> None:
    """Fill in some values of each sample and training sample named by its number."""
    sides = {"sample": table}
    if training is not None:
        of_training = as_table(psem, training.X, table.names)
        assert of_training is not None
        sides["training"] = of_training
    for side, some in sides.items():
        cards = [one for one in shown_rows(content, side) if "cells" in one[0]]
        rows = np.array([row for _, row in cards], dtype=np.intp)
        cells = cells_of(some.cells, rows)[:, columns]
        for (card, _), values in zip(cards, cells, strict=True):
            card["cells"] = named_values(some.names, columns, values)


def prototype_rows(
    psem: Any, table: Table, training: SampleSet | None, answers: Answers
) -> NDArray:
    """Return values of prototypes: their own, of training samples, or of samples."""
    own = prototypes_in_columns(psem, table.cells.shape[1])
    known = answers.decision.training_rows
    if own is not None:
        return own
    if training is not None and known.min() >= 0:
        theirs = as_table(psem, training.X, table.names)
        assert theirs is not None
        return cells_of(theirs.cells, known)
    mine = answers.codes[:, np.newaxis] == answers.decision.owners
    similar = answers.decision.similarities
    best = np.where(mine, similar, -np.inf).argmax(axis=0)
    absent = ~mine.any(axis=0)
    best[absent] = similar[:, absent].argmax(axis=0)
    return cells_of(table.cells, best)

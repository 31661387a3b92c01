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
from sklearn_kmex.report._pictures import Heat, SampleSet, encode
from sklearn_kmex.report._table import (
    Table,
    as_table,
    cells_of,
    columns_note,
    informative_columns,
    leading_columns,
    places_in_class,
)
from sklearn_kmex.report._text import as_text

LONGEST = 400  # characters of a text


def show_samples(
    content: dict[str, Any],
    psem: Any,
    samples: SampleSet,
    training: SampleSet | None,
    answers: Answers,
    explanation: Explanation,
    feature_names: Sequence[str] | None,
) -> None:
    """Fill in how each sample and training sample is shown."""
    add_stand_ins(content)
    content["pictures"] = show_pictures(content, samples, training, explanation)
    content["picture_note"] = samples.picture_note() if content["pictures"] else ""
    for side, some in (("sample", samples), ("training", training)):
        if some is not None and isinstance(sample(some.X, 0), str):
            for card, row in shown_rows(content, side):
                card["text"] = clipped(as_text(sample(some.X, row)), LONGEST)
    content["columns_note"] = ""
    table = None if content["pictures"] else as_table(psem, samples.X, feature_names)
    if table is not None:
        show_values(content, psem, table, samples, training, answers)


def shown_rows(content: dict[str, Any], side: str) -> Iterator[tuple[dict, int]]:
    """Yield the cards that show a sample or a training sample, with its row."""
    evidence = [one for case in content["cases"] for one in case["evidence"]]
    nearest = [one for card in content["prototypes"] for one in card["nearest"]]
    members = [one for case in content["cases"] for one in case["members"]]
    if side == "training":
        cards, key = [*content["prototypes"], *evidence, *members], "training_row"
    else:
        cards, key = [*content["cases"], *nearest, *evidence], "row"
    for card in cards:
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
    heat = {}
    if explanation.relevance is not None:
        heat = show_heat(content["cases"], pictures, explanation, samples)
    return encode(pictures, heat, uses)


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
    samples: SampleSet,
    training: SampleSet | None,
    answers: Answers,
) -> None:
    """Fill in values of prototypes and cases, and contributions of columns."""
    owners, codes = answers.decision.owners, answers.codes
    numbers = [case["row"] for case in content["cases"]]
    X_train = None if training is None else training.X
    found = contrast(psem, take(samples.X, numbers), X_train=X_train)
    split = found.space == "input"
    values = prototype_rows(psem, table, training, answers)
    columns = (
        leading_columns(found.contributions)
        if split
        else informative_columns(table.cells, values)
    )
    content["columns_note"] = columns_note(table.names, columns, split)
    places = places_in_class(table, columns, values, owners, codes)
    for card, columns_of in zip(content["prototypes"], places, strict=True):
        card["columns"] = columns_of
    own = cells_of(table.cells, numbers)
    predicted = answers.decision.predicted[numbers]
    places = places_in_class(table, columns, own, predicted, codes)
    for place, (case, columns_of) in enumerate(
        zip(content["cases"], places, strict=True)
    ):
        case["columns"] = columns_of
        if split:
            case |= contributions(found, place, table.names)


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

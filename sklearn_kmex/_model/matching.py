"""Which class of a model each output of a black box stands for."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

N_SHOWN = 10  # labels in a message
# Cohen's kappa is the agreement beyond chance: 0 by chance, 1 for equal predictions.
CHANCE = 0.1  # at most this is near chance
CLEAR = 0.6  # another order has at least this,
BETTER = 0.1  # and so much more than the one in use,
SURE = 4.0  # by this many standard errors
N_LEAST = 20  # samples that tell chance
REMEDY = (
    "Pass classes=[...], the label of each output in its order, to make_kmex, "
    "sem_scorers or SEMReport."
)


class BlackBoxError(TypeError, ValueError):
    """Error of a black box that cannot be compared with a model."""


class Match(NamedTuple):
    """The class that each output of a black box stands for."""

    places: NDArray[np.intp]  # of the outputs in `classes`, -1 for another class
    known: NDArray  # labels of the outputs, or their numbers
    classes: NDArray  # of the model
    assumed: bool  # by nothing but the order of the outputs


def match_outputs(known: ArrayLike | None, n_outputs: int, classes: NDArray) -> Match:
    """Find the class of each output, by its label or else by its number.

    `known` are the labels of the outputs, if the black box has them. Numbers from 0
    stand for the sorted labels.
    """
    labels = None if known is None else _as_labels(known, n_outputs)
    if labels is None:
        if n_outputs != len(classes):
            raise BlackBoxError(
                f"The black box must give one output for each of the {len(classes)} "
                f"classes, {some(classes)}; it gives {n_outputs}. {REMEDY}"
            )
        return Match(np.arange(n_outputs), np.arange(n_outputs), classes, True)
    named, by_text = (_places(labels, classes, key) for key in (_value, _text))
    as_many = n_outputs == len(classes)
    of_model = _are_numbers(np.sort(classes)) and bool((by_text < 0).all())
    numbered = as_many and (_are_numbers(labels) or of_model)
    if as_many and (named >= 0).all():
        return Match(named, labels, classes, False)
    order = np.argsort(classes, kind="stable")
    if len(np.unique(by_text[by_text >= 0])) == len(classes):
        assumed = numbered and not np.array_equal(by_text, order)
        return Match(by_text, labels, classes, assumed)
    if numbered:
        return Match(order, labels, classes, True)
    if (by_text < 0).all():
        raise BlackBoxError(
            f"The labels of the black box, {some(labels)}, must be the classes of the "
            f"model, {some(classes)}, or numbers from 0 in their order. {REMEDY}"
        )
    return Match(by_text, labels, classes, False)


def _as_labels(known: ArrayLike, n_outputs: int) -> NDArray:
    """Check that there is a label of each output."""
    labels = np.asarray(known)
    if labels.ndim == 1 and len(labels) == n_outputs:
        return labels
    raise BlackBoxError(
        f"The black box must give one output for each of its labels, {some(labels)}; "
        f"it gives {n_outputs}. {REMEDY}"
    )


def _places(labels: NDArray, classes: NDArray, key: Callable) -> NDArray[np.intp]:
    """Find labels in classes, by a key; -1 for what is not there."""
    found = {key(label): place for place, label in enumerate(classes.tolist())}
    return np.array([found.get(key(label), -1) for label in labels.tolist()], np.intp)


def _value(label: Any) -> Any:
    return label


def _text(label: Any) -> str:
    """Return a label as text, in which 1, 1.0 and "1" are the same."""
    try:
        number = label if isinstance(label, bool) else float(label)
    except (TypeError, ValueError):
        return str(label)
    return str(number)


def _are_numbers(labels: NDArray) -> bool:
    """Whether labels are the numbers from 0."""
    return labels.dtype.kind in "iuf" and np.array_equal(labels, np.arange(len(labels)))


def some(labels: Any) -> str:
    """Show labels, the first ones if there are many."""
    shown = labels if isinstance(labels, list) else np.asarray(labels).tolist()
    more = ", ..." if len(shown) > N_SHOWN else ""
    return f"[{', '.join(map(repr, shown[:N_SHOWN]))}{more}]"


def check_match(
    match: Match, outputs: NDArray, codes: NDArray, whose: str = "the model"
) -> str | None:
    """Compare outputs with classes of the same samples, as numbers of both.

    An error is raised if they are matched by their order only, and another order fits
    much better. What is less sure is returned as a sentence.
    """
    counts = np.zeros((len(match.places), len(match.classes)))
    np.add.at(counts, (outputs, codes), 1)
    better = np.full(len(match.places), -1)
    rows, columns = linear_sum_assignment(-counts)
    better[rows] = columns
    agree = (
        f"The outputs of the black box, {some(match.known)}, were taken for the "
        f"classes {_labels(match, match.places)}, and agree with {whose} for "
        f"{_share(counts, match.places):.0%} of the samples"
    )
    if _is_clearly_better(counts, better, match.places):
        text = (
            f"{agree}; taken for {_labels(match, better)}, they would for "
            f"{_share(counts, better):.0%}. {REMEDY}"
        )
        if match.assumed:
            raise BlackBoxError(text)
        return text
    few = len(codes) < N_LEAST
    if match.assumed and not few and _kappa(counts, match.places) <= CHANCE:
        return f"{agree}, which is near chance. {REMEDY}"
    if set(match.places) != set(range(len(match.classes))):
        return (
            f"The labels of the black box, {some(match.known)}, are not the classes of "
            f"the model, {some(match.classes)}. Predictions of a class that the other "
            "does not know count as different."
        )
    return None


def _is_clearly_better(counts: NDArray, better: NDArray, places: NDArray) -> bool:
    """Whether another order agrees much better, also by a sign test of the samples."""
    moved = better != places
    gained, lost = (_hits(counts, some)[moved].sum() for some in (better, places))
    kappa = _kappa(counts, better)
    large = kappa >= CLEAR and kappa >= _kappa(counts, places) + BETTER
    return large and gained - lost >= SURE * np.sqrt(gained + lost)


def _hits(counts: NDArray, places: NDArray) -> NDArray[np.float64]:
    """Count the samples that agree, by output."""
    hits = np.take_along_axis(counts, places[:, np.newaxis], axis=1)[:, 0]
    return np.where(places < 0, 0, hits)


def _share(counts: NDArray, places: NDArray) -> float:
    return float(_hits(counts, places).sum() / max(counts.sum(), 1))


def _kappa(counts: NDArray, places: NDArray) -> float:
    known, n = places >= 0, max(counts.sum(), 1)
    by_output, by_class = counts.sum(axis=1)[known], counts.sum(axis=0)[places[known]]
    chance = by_output @ by_class / n**2
    return (_share(counts, places) - chance) / (1 - chance) if chance < 1 else 0.0


def _labels(match: Match, places: NDArray[np.intp]) -> str:
    classes = match.classes.tolist()
    return some([classes[place] if place >= 0 else None for place in places])

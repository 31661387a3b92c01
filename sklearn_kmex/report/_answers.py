"""Predictions of the model and of its black box, from one pass of the encoder."""

import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sklearn_kmex._data.samples import len_of, numbered, take
from sklearn_kmex._model.black_box import BlackBox
from sklearn_kmex._model.decision import Decision, class_probabilities, decide
from sklearn_kmex._model.labels import class_codes
from sklearn_kmex._model.matching import BlackBoxError
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.steps import embed
from sklearn_kmex._rejecting import accepted

FIRST_BLOCK, BLOCK = 64, 2_048  # samples between two steps of the progress bar


class Answers(NamedTuple):
    """Predictions of samples; class codes are places in `decision.classes`."""

    decision: Decision
    codes: NDArray[np.intp]  # true classes
    nearest: NDArray[np.intp]  # the most similar prototype of each sample, by weight
    similarity: NDArray  # the largest to any prototype
    probabilities: NDArray | None
    black_box: NDArray[np.intp] | None  # class codes, -1 for a class unknown to psem
    accepted: NDArray[np.bool_] | None  # by a RejectingClassifier, if there is one
    embeddings: Any
    doubt: str | None = (
        None  # why the black box was not asked, or may have other labels
    )

    def names(self, names: list[str]) -> dict[Any, str]:
        """Return the names of classes by label."""
        return dict(zip(self.decision.classes.tolist(), names, strict=True))

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Mark samples that the model classifies correctly."""
        return self.decision.predicted == self.codes

    @property
    def confidence(self) -> NDArray | None:
        """Return the probability of the predicted class."""
        if self.probabilities is None:
            return None
        rows = np.arange(len(self.codes))
        return self.probabilities[rows, self.decision.predicted]

    @property
    def of_class_of_nearest(self) -> NDArray[np.bool_]:
        """Mark samples of the class of their most similar prototype."""
        return self.decision.owners[self.nearest] == self.codes


def evaluate(
    psem: Any, X: Any, y: NDArray, black_box: Any, bar: Any, classes: Any = None
) -> Answers:
    """Predict all samples, each of which is embedded once."""
    sem = find_sem(psem)
    asked = None if black_box is None else BlackBox(psem, black_box, classes)
    Z, doubt = embed_and_ask(psem, X, asked, bar)
    decision = decide(psem, Z)
    everywhere = np.full(decision.similarities.shape, True)
    labels, codes = class_codes(decision.classes, y), None
    if asked is not None and asked.answers and doubt is None:
        codes, doubt = codes_or_reason(asked, labels)
    return Answers(
        decision,
        labels,
        decision.most_similar(everywhere),
        decision.similarities.max(axis=1),
        class_probabilities(sem, Z),
        codes,
        accepted(psem, Z),
        Z,
        doubt,
    )


def embed_and_ask(
    psem: Any, X: Any, asked: BlackBox | None, bar: Any
) -> tuple[Any, str | None]:
    """Embed samples in blocks, and ask a black box; say why it cannot be asked."""
    reasons: list[str] = []

    def embed_part(part: Any) -> Any:
        if asked is None or reasons or not asked.exists:
            return embed(psem, part)
        try:
            return asked.embed(part)
        except BlackBoxError as error:
            reasons.append(str(error))
            return embed(psem, part)

    Z = in_blocks(embed_part, X, bar)
    return Z, reasons[0] if reasons else None


def codes_or_reason(
    asked: BlackBox, labels: NDArray[np.intp]
) -> tuple[NDArray[np.intp] | None, str | None]:
    """Return the class codes that a black box predicts, or why they are unknown."""
    try:
        codes = asked.codes(labels, "the labels")
    except BlackBoxError as error:
        return None, str(error)
    return codes, asked.doubt


def in_blocks(function: Callable, X: Any, bar: Any) -> Any:
    """Apply a function to blocks of samples, and concatenate the results."""
    n_rows, parts = len_of(X), []
    for numbers in growing_blocks(n_rows):
        with numbered(numbers):
            parts.append(function(X if len(numbers) == n_rows else take(X, numbers)))
        bar.update(len(numbers))
    return parts[0] if len(parts) == 1 else concatenate(parts)


def concatenate(parts: list[Any]) -> Any:
    """Concatenate arrays, sparse matrices, or data frames of the same package."""
    first = parts[0]
    if hasattr(first, "columns"):
        return sys.modules[type(first).__module__.partition(".")[0]].concat(parts)
    return sparse.vstack(parts) if sparse.issparse(first) else np.concatenate(parts)


def growing_blocks(n_rows: int) -> Iterator[range]:
    """Yield blocks of rows, small at first so that progress is shown early."""
    start, size = 0, FIRST_BLOCK
    while start < n_rows:
        yield range(start, min(start + size, n_rows))
        start, size = start + size, min(2 * size, BLOCK)

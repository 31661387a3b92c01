"""What the model and its black box say of each sample, from one pass of the encoder."""

import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import column_or_1d

from sklearn_kmex._data.samples import len_of, numbered, take
from sklearn_kmex._model.black_box import embedder_output, labels_if_any, one_pass
from sklearn_kmex._model.decision import Decision, class_probabilities, decide
from sklearn_kmex._model.labels import class_codes
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.steps import embed

FIRST_BLOCK, BLOCK = 64, 2_048  # rows between two steps of a progress bar


class Answers(NamedTuple):
    """Class codes count in `decision.classes`."""

    decision: Decision
    codes: NDArray[np.intp]  # true classes
    active: NDArray[np.intp]  # the prototype that each sample is most similar to
    best: NDArray  # similarity to it
    probabilities: NDArray | None
    black_box: NDArray[np.intp] | None  # class codes, -1 for a class unknown here

    def names(self, names: list[str]) -> dict[Any, str]:
        """Look up names by label."""
        return dict(zip(self.decision.classes.tolist(), names, strict=True))

    @property
    def right(self) -> NDArray[np.bool_]:
        return self.decision.predicted == self.codes

    @property
    def confidence(self) -> NDArray | None:
        """Probability of the predicted class."""
        if self.probabilities is None:
            return None
        rows = np.arange(len(self.codes))
        return self.probabilities[rows, self.decision.predicted]

    @property
    def right_in_use(self) -> NDArray[np.bool_]:
        """Mark samples whose most similar prototype is of their class."""
        return self.decision.owners[self.active] == self.codes


def ask(psem: Any, X: Any, y: NDArray, black_box: Any, bar: Any) -> Answers:
    """Embed each sample once, and put all questions to what comes out."""
    sem = find_sem(psem)
    Z, theirs = embed_all(psem, X, black_box, bar)
    decision = decide(psem, Z)
    proba = class_probabilities(sem, Z, decision)
    active = decision.similarities.argmax(axis=1)
    return Answers(
        decision,
        class_codes(decision.classes, y),
        active,
        decision.similarities[np.arange(len(active)), active],
        proba,
        None if theirs is None else known_codes(decision.classes, theirs),
    )


def embed_all(
    psem: Any, X: Any, black_box: Any, bar: Any
) -> tuple[Any, NDArray | None]:
    """Embed block by block; labels of the black box besides, where there is one."""
    labels: list[Any] = []

    def both(rows: Any) -> Any:
        Z, theirs = embed_and_ask(psem, rows, black_box)
        labels.append(theirs)
        return Z

    Z = in_blocks(both, X, bar)
    known = all(theirs is not None for theirs in labels)
    return Z, np.concatenate(labels) if known else None


def embed_and_ask(psem: Any, X: Any, black_box: Any) -> tuple[Any, NDArray | None]:
    """Embed, and ask for labels: the black box given, or that of the embedder."""
    if black_box is not None:
        return embed(psem, X), column_or_1d(black_box.predict(X))
    both = one_pass(psem, X, labels_if_any)
    if both is not None:
        return both
    found = embedder_output(psem, X)
    return embed(psem, X), found and labels_if_any(*found, find_sem(psem).classes_)


def in_blocks(function: Callable, X: Any, bar: Any) -> Any:
    """Apply a function of samples to blocks of them, and count these."""
    n_rows, parts = len_of(X), []
    for numbers in growing_blocks(n_rows):
        with numbered(numbers):
            parts.append(function(X if len(numbers) == n_rows else take(X, numbers)))
        bar.update(len(numbers))
    return parts[0] if len(parts) == 1 else joined(parts)


def joined(parts: list[Any]) -> Any:
    """Put blocks below each other; of frames, by the package that made them."""
    first = parts[0]
    if hasattr(first, "columns"):
        return sys.modules[type(first).__module__.partition(".")[0]].concat(parts)
    return sparse.vstack(parts) if sparse.issparse(first) else np.concatenate(parts)


def growing_blocks(n_rows: int) -> Iterator[range]:
    """Part rows into blocks, small at first, so that the first step is soon made."""
    start, size = 0, FIRST_BLOCK
    while start < n_rows:
        yield range(start, min(start + size, n_rows))
        start, size = start + size, min(2 * size, BLOCK)


def known_codes(classes: NDArray, labels: NDArray) -> NDArray[np.intp]:
    """Code labels of another model, of which some may be no class here."""
    codes = np.full(len(labels), -1)
    known = np.isin(labels, classes)
    codes[known] = class_codes(classes, labels[known])
    return codes

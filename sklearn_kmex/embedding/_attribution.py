"""Contributions of the input columns of an embedder to a linear function of it."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._data.arrays import dense


class Attribution(NamedTuple):
    """Contributions of the columns of X to `(slope * transform(X)).sum(axis=1)`."""

    parts: NDArray[np.float64]  # (n_samples, n_features_in)
    base: NDArray[np.float64]  # (n_samples,), what is left when no column is known
    method: str  # how the contributions were computed
    error: NDArray[np.float64]  # (n_samples,), of the sum of parts and base


class TokenRelevance(NamedTuple):
    """Relevance of the tokens of a text: with the rest, it sums to the score.

    For several maps of a text, relevance is of shape (n_maps, n_tokens), and each part
    of the rest of shape (n_maps,).
    """

    spans: NDArray[np.intp]  # (n_tokens, 2), characters; empty for special tokens
    relevance: NDArray[np.float64]  # (n_tokens,), 0 for special tokens
    rest: dict[str, Any]  # what else contributes to the score, by name

    @classmethod
    def of(cls, spans: NDArray[np.intp], maps: Any) -> Self:
        """Read the maps of a text, (n_maps, n_tokens)."""
        special = spans[:, 0] == spans[:, 1]
        shares = maps.shares()
        rest = {
            "special tokens": maps.values[:, special].sum(axis=1),
            "positions": shares.positions + shares.tokens,
            "biases": shares.rest,
            "constant": shares.constant,
        }
        relevance = np.where(special, 0, maps.values)
        if len(relevance) > 1:
            return cls(spans, relevance, rest)
        alone = {name: float(part[0]) for name, part in rest.items()}
        return cls(spans, relevance[0], alone)


def attribution(
    parts: NDArray[np.float64],
    base: NDArray[np.float64],
    method: str,
    slope: NDArray[np.float64],
    Z: Any,
) -> Attribution:
    """Compare the sum of contributions with the linear function of embeddings Z."""
    wanted = np.einsum("ij,ij->i", slope, np.asarray(dense(Z), dtype=np.float64))
    error = np.abs(parts.sum(axis=1) + base - wanted)
    return Attribution(parts, base, method, error)


def check_method(method: str, known: Sequence[str], kind: str) -> str:
    """Return the method of contributions; "auto" is the first that is known."""
    if method == "auto":
        return known[0]
    if method not in known:
        raise ValueError(
            f"method must be 'auto' or one of {list(known)} for {kind}; got {method!r}."
        )
    return method

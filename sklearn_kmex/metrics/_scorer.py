"""SEMScorer: a metric as a scorer of scikit-learn."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, ClassVar, Self

from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.metadata_routing import UNUSED


class SEMScorer(BaseEstimator):
    """Scorer of scikit-learn that computes a predicate; higher is better."""

    __metadata_request__score: ClassVar[dict] = {"estimator": UNUSED}

    def __init__(
        self, name: str, predicate: Callable[..., float], settings: dict | None = None
    ) -> None:
        self.name = name
        self.predicate = predicate
        self.settings = settings
        self.__doc__ = predicate.__doc__

    def score(
        self,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Score a fitted estimator."""
        settings = self.settings or {}
        value = self.predicate(estimator, X, y, sample_weight=sample_weight, **settings)
        return float(value)

    __call__ = score

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        settings = (f"{key}={value!r}" for key, value in (self.settings or {}).items())
        return f"{self.name}({', '.join(settings)})" if self.settings else self.name

    def __deepcopy__(self, memo: dict) -> Self:
        """Return a shallow copy, which shares the black box."""
        return copy.copy(self)

    def __sklearn_clone__(self) -> Self:
        return copy.copy(self)

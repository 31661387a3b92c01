"""What a scorer of this package is: a predicate that scikit-learn can call."""

import copy
from collections.abc import Callable
from typing import Any, ClassVar, Self

from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.metadata_routing import UNUSED


class SEMScorer(BaseEstimator):
    """Call a predicate as scikit-learn calls a scorer; more is better."""

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
        """Share the black box: a copy of its weights would be another one."""
        return copy.copy(self)

    def __sklearn_clone__(self) -> Self:
        return copy.copy(self)

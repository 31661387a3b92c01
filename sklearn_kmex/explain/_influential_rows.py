"""Influence: the training rows that support decisions, and those that oppose them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._draw.influence import influence_table
from sklearn_kmex._draw.sentences import influence_lines
from sklearn_kmex._draw.table import Table
from sklearn_kmex.explain._records import SHARED, Records
from sklearn_kmex.utils import check_dependency


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Influence(Records):
    """Training rows that support each decision, and those that oppose it.

    It is returned by :func:`influence`. It has a length, can be iterated over, and can
    be indexed like an array, by a number, a slice, a mask or a list of numbers; the
    result is an Influence of these samples.

    Read more in the :ref:`User Guide <influence>`.

    Parameters
    ----------
    sample_indices : ndarray of shape (n_samples,), dtype=intp
        Row of each sample in X; kept when slicing.

    predictions : ndarray of shape (n_samples,)
        Predicted labels.

    runner_up : ndarray of shape (n_samples,)
        Label of the class with the best score of all but the predicted class.

    margin : ndarray of shape (n_samples,), dtype=float64
        Score of the predicted class minus that of the runner-up, in the unit of the
        similarities; 0 or more.

    supporting_rows : ndarray of shape (n_samples, n_rows), dtype=intp
        Rows of `X_train` without which the margin would be smaller, the largest effect
        first; -1 where there are fewer.

    supporting_prototypes : ndarray of shape (n_samples, n_rows), dtype=intp
        Prototypes to which these rows belong, -1 where there is no row.

    supporting_effects : ndarray of shape (n_samples, n_rows), dtype=float64
        Their effects: the margin without the row minus the margin. They are negative,
        in the unit of `margin`; the decision changes if the sum of `margin` and effect
        is negative. NaN where there is no row.

    opposing_rows : ndarray of shape (n_samples, n_rows), dtype=intp
        Rows of `X_train` without which the margin would be larger, the largest effect
        first; -1 where there are fewer.

    opposing_prototypes : ndarray of shape (n_samples, n_rows), dtype=intp
        Prototypes to which these rows belong, -1 where there is no row.

    opposing_effects : ndarray of shape (n_samples, n_rows), dtype=float64
        Their effects, which are positive. NaN where there is no row.

    prototype_classes : ndarray of shape (n_prototypes_total,)
        Label of each prototype of the model, which is that of its members.

    effects : ndarray of shape (n_samples, n_train), dtype=float64, default=None
        Effect of each row of `X_train`, if they were to be kept.

    See Also
    --------
    influence : Returns an Influence.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.explain import influence
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(n_prototypes=2, random_state=0).fit(X, y)
    >>> found = influence(psem, X[:10], X, y)
    >>> found[3:5]
    Influence(n_samples=2)
    >>> found.frame()["role"].unique().tolist()
    ['supporting', 'opposing']
    """

    predictions: NDArray
    runner_up: NDArray
    margin: NDArray[np.float64]
    supporting_rows: NDArray[np.intp]
    supporting_prototypes: NDArray[np.intp]
    supporting_effects: NDArray[np.float64]
    opposing_rows: NDArray[np.intp]
    opposing_prototypes: NDArray[np.intp]
    opposing_effects: NDArray[np.float64]
    prototype_classes: NDArray = field(metadata=SHARED)
    effects: NDArray[np.float64] | None = None

    def frame(self) -> Any:
        """Return a pandas DataFrame with a row for each supporting and opposing row.

        Returns
        -------
        pandas.DataFrame
            Columns `sample`, `prediction`, `runner_up`, `margin`, `role` ("supporting"
            or "opposing"), `training_row`, `label`, `prototype` and `effect`.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        pandas = check_dependency("pandas", caller="frame", extra="all")
        return pandas.concat(
            [self._of_role(pandas, role) for role in ("supporting", "opposing")]
        ).sort_values("sample", kind="stable", ignore_index=True)

    def _of_role(self, pandas: Any, role: str) -> Any:
        rows, owners, effects = (
            getattr(self, f"{role}_{name}")
            for name in ("rows", "prototypes", "effects")
        )
        sample, place = np.nonzero(rows >= 0)
        return pandas.DataFrame(
            {
                "sample": self.sample_indices[sample],
                "prediction": self.predictions[sample],
                "runner_up": self.runner_up[sample],
                "margin": self.margin[sample],
                "role": role,
                "training_row": rows[sample, place],
                "label": self.prototype_classes[owners[sample, place]],
                "prototype": owners[sample, place],
                "effect": effects[sample, place],
            }
        )

    def _blocks(self, n_samples: int) -> list[list[str]]:
        return [influence_lines(self, row) for row in range(n_samples)]

    def _table(self, n_rows: int) -> Table:
        return influence_table(self, n_rows)

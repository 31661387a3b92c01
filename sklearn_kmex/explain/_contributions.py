"""Contrast: contributions of columns to the choice between two classes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._draw.contrast import (
    by_size,
    contrast_table,
    plot_contrast,
    reasons_of,
)
from sklearn_kmex._draw.sentences import contrast_lines
from sklearn_kmex._draw.table import Table
from sklearn_kmex.explain._records import SHARED, Records
from sklearn_kmex.utils import check_dependency


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Contrast(Records):
    """Contributions of columns to the choice between two classes.

    It is returned by :func:`contrast`. It has a length, can be iterated over, and can
    be indexed like an array, by a number, a slice, a mask or a list of numbers; the
    result is a Contrast of these samples.

    Read more in the :ref:`User Guide <contrast>`.

    Parameters
    ----------
    sample_indices : ndarray of shape (n_samples,), dtype=intp
        Row of each sample in the X that was explained; kept when slicing.

    contributions : ndarray of shape (n_samples, n_columns), dtype=float64
        Contribution of each column to the margin. Positive values support `labels`,
        negative values support `against`. The unit is that of squared distances
        in the metric of the model.

    margin : ndarray of shape (n_samples,), dtype=float64
        Squared distance to the prototype of `against` minus that to the prototype of
        `labels`: the sum of the contributions and of `base`.

    base : ndarray of shape (n_samples,), dtype=float64
        Part of the margin that no column contributes, in the unit of `margin`: what is
        left when no column is known. It is 0 for the method "linear", whose
        contributions start at the middle of the two prototypes, and the expected margin
        of the training rows of the trees for the method "path".

    error : ndarray of shape (n_samples,), dtype=float64
        Absolute difference between `margin` and the sum of the contributions and
        `base`, as far as the method knows it; 0 or more.

    similarity_margin : ndarray of shape (n_samples,), dtype=float64
        Similarity to the prototype of `labels` minus that to the prototype of
        `against`. It has the sign of `margin`.

    weight_margin : ndarray of shape (n_samples,), dtype=float64
        What the weights of the two prototypes add to `similarity_margin`, in the unit
        of similarities: the temperature times the logarithm of their ratio. It is 0 if
        both have the same weight.

    weight_contribution : ndarray of shape (n_samples,), dtype=float64
        The same in the unit of `margin`: twice `weight_margin` for the gaussian
        similarity. NaN for the log similarity if the weights differ, because they then
        add to no function of squared distances.

    labels : ndarray of shape (n_samples,)
        Class that is explained.

    against : ndarray of shape (n_samples,)
        Class that it is compared with.

    prototypes : ndarray of shape (n_samples,), dtype=intp
        The most similar prototype of `labels`, by weighted similarity.

    against_prototypes : ndarray of shape (n_samples,), dtype=intp
        The most similar prototype of `against`, by weighted similarity.

    values : ndarray of shape (n_samples, n_columns)
        The samples, in the same columns.

    prototype_values : ndarray of shape (n_samples, n_columns)
        `prototypes` in the same columns. None, or NaN if all columns are numeric, if a
        step has no inverse. A category is the most frequent one of the training rows
        of the prototype. Where rows are divided by their length, the prototype is
        multiplied by the length of the sample.

    against_values : ndarray of shape (n_samples, n_columns)
        `against_prototypes` in the same columns.

    prototype_rows : ndarray of shape (n_prototypes_total,), dtype=intp
        Nearest training row of the same class for each prototype of the model; -1 if
        the model does not know it.

    feature_names : ndarray of shape (n_columns,), dtype=object
        Names of the columns.

    space : str
        Where these columns are: "input" for those of X; otherwise the name of the step
        in whose output they are, as they could not be taken back through this step.

    method : str
        How the contributions were computed: "linear" if all steps keep columns apart
        or are affine maps; otherwise the method for the embedder, as in
        :func:`contrast`.

    Attributes
    ----------
    decided_by_weights : ndarray of shape (n_samples,), dtype=bool
        Whether the prototype of `against` is nearer, but has so much less weight that
        the prototype of `labels` has the larger weighted similarity.

    See Also
    --------
    contrast : Returns a Contrast.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.explain import contrast
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> psem = make_pipeline(StandardScaler(), KMExClassifier(2, random_state=0))
    >>> table = contrast(psem.fit(X, y), X).frame()
    >>> table.loc[0, "feature"], float(table.loc[0, "value"])
    ('alcohol', 14.23)
    """

    contributions: NDArray[np.float64]
    margin: NDArray[np.float64]
    base: NDArray[np.float64]
    error: NDArray[np.float64]
    similarity_margin: NDArray[np.float64]
    weight_margin: NDArray[np.float64]
    weight_contribution: NDArray[np.float64]
    labels: NDArray
    against: NDArray
    prototypes: NDArray[np.intp]
    against_prototypes: NDArray[np.intp]
    values: NDArray
    prototype_values: NDArray
    against_values: NDArray
    prototype_rows: NDArray[np.intp] = field(metadata=SHARED)
    feature_names: NDArray = field(metadata=SHARED)
    space: str = field(metadata=SHARED)
    method: str = field(metadata=SHARED)

    @property
    def decided_by_weights(self) -> NDArray[np.bool_]:
        """Whether `labels` has the larger weighted similarity by its weight alone."""
        weighted = self.similarity_margin + self.weight_margin
        return (self.similarity_margin < 0) & (weighted > 0)

    def reasons(self, n_columns: int = 3) -> NDArray[np.object_]:
        """Say in which columns each sample is similar to its class, and in which not.

        Parameters
        ----------
        n_columns : int, default=3
            Largest number of columns to name: those of the largest absolute
            contributions. Columns with less than 1 % of the sum of absolute
            contributions are not named.

        Returns
        -------
        ndarray of shape (n_samples,), dtype=object
            A phrase for each sample, such as "similar to good in age and income,
            unlike it in months". Similar are columns whose contribution supports
            `labels`.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn_kmex import KMExClassifier
        >>> from sklearn_kmex.explain import contrast
        >>> X, y = load_iris(return_X_y=True, as_frame=True)
        >>> psem = KMExClassifier(1, random_state=0).fit(X, y)
        >>> contrast(psem, X[:1]).reasons(1)[0]
        'similar to 0 in petal length (cm)'
        """
        return reasons_of(self, n_columns)

    def frame(self) -> Any:
        """Return the contributions as a pandas DataFrame, a row for each column.

        Returns
        -------
        pandas.DataFrame
            Columns `sample`, `label`, `against`, `feature`, `value`,
            `prototype_value`, `against_value` and `contribution`, for each sample the
            largest absolute contribution first; and `margin`, `base`, `error`,
            `similarity_margin`, `weight_margin` and `weight_contribution` of the
            sample, in each row.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        pandas = check_dependency("pandas", caller="frame", extra="all")
        order = by_size(self.contributions)
        n_columns = order.shape[1]

        def sorted_by_size(values: NDArray) -> NDArray:
            return np.take_along_axis(values, order, axis=1).ravel()

        of_sample = [
            "margin",
            "base",
            "error",
            "similarity_margin",
            "weight_margin",
            "weight_contribution",
        ]
        return pandas.DataFrame(
            {
                "sample": np.repeat(self.sample_indices, n_columns),
                "label": np.repeat(self.labels, n_columns),
                "against": np.repeat(self.against, n_columns),
                "feature": self.feature_names[order].ravel(),
                "value": sorted_by_size(self.values),
                "prototype_value": sorted_by_size(self.prototype_values),
                "against_value": sorted_by_size(self.against_values),
                "contribution": sorted_by_size(self.contributions),
                **{n: np.repeat(getattr(self, n), n_columns) for n in of_sample},
            }
        )

    def plot(
        self, *, n_features: int = 10, max_samples: int = 10, figure: Any = None
    ) -> NDArray:
        """Draw the largest contributions of each sample as bars.

        If the two prototypes differ in weight, the title says what their weights add,
        and whether they decide. For the gaussian similarity there is a bar for it.

        Parameters
        ----------
        n_features : int, default=10
            Number of columns to draw; one more bar is the sum of the others.

        max_samples : int, default=10
            Largest number of samples to draw, the first ones; slice to draw others.

        figure : matplotlib.figure.Figure or SubFigure, default=None
            Where to draw. None makes a new one with pyplot.

        Returns
        -------
        ndarray of shape (n_rows,), dtype=object
            The matplotlib Axes, one for each sample.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.

        ValueError
            If there is no sample or column to draw.

        TypeError
            If `figure` is not a figure.
        """
        pyplot = check_dependency(
            "matplotlib.pyplot", caller="Contrast.plot", extra="plot"
        )
        return plot_contrast(pyplot, self, n_features, max_samples, figure)

    def _blocks(self, n_samples: int) -> list[list[str]]:
        return [contrast_lines(self, row) for row in range(n_samples)]

    def _table(self, n_rows: int) -> Table:
        return contrast_table(self, n_rows)

"""contrast: why this class and not that one, column by column."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_kmex._data.samples import as_samples, len_of
from sklearn_kmex._draw.contrast import plot_contrast
from sklearn_kmex._draw.html import MAX_ROWS, Html, clipped, html_table, text
from sklearn_kmex._model.decision import Decision, decide
from sklearn_kmex._model.labels import class_codes
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.steps import steps_before
from sklearn_kmex.explain._probe import rows_of
from sklearn_kmex.explain._records import SHARED, Records
from sklearn_kmex.explain._walk import Split, forward, walk_back
from sklearn_kmex.utils import check_dependency


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Contrast(Records):
    """Why each sample is nearer to one prototype than to another, over columns.

    Made by :func:`contrast`. It has a length, can be iterated over, and is sliced as an
    array is, by a number, a slice, a mask or a list of numbers: each gives a Contrast
    of those samples.

    Read more in the :ref:`User Guide <contrast>`.

    Parameters
    ----------
    sample_indices : ndarray of shape (n_samples,), dtype=intp
        Row of each sample in the X that was explained; kept by slicing.

    contributions : ndarray of shape (n_samples, n_columns), dtype=float64
        What each column adds to the margin: positive speaks for `labels`, negative
        for `against`. In the unit of squared distance between embeddings.

    margin : ndarray of shape (n_samples,), dtype=float64
        Squared distance to the prototype of `against` minus that to the prototype of
        `labels`: the sum of the contributions.

    labels : ndarray of shape (n_samples,)
        Class that is explained, the predicted one unless another was asked for.

    against : ndarray of shape (n_samples,)
        Class that it is held against.

    prototypes : ndarray of shape (n_samples,), dtype=intp
        The nearest prototype of `labels`.

    against_prototypes : ndarray of shape (n_samples,), dtype=intp
        The nearest prototype of `against`.

    values : ndarray of shape (n_samples, n_columns)
        The samples, in the same columns.

    prototype_values : ndarray of shape (n_samples, n_columns)
        `prototypes` in the same columns; None, or NaN where all are numbers, where a
        step on the way has no inverse. A category is the most frequent one of the
        prototype's training rows.

    against_values : ndarray of shape (n_samples, n_columns)
        `against_prototypes` in the same columns.

    prototype_rows : ndarray of shape (n_prototypes_total,), dtype=intp
        Training row of the same class nearest to each prototype of the model; -1 where
        the model does not know it.

    feature_names : ndarray of shape (n_columns,), dtype=object
        Names of the columns.

    space : str
        Whose columns they are: "input", the user's own, or the name of the step in
        whose output they are, as a step after it could not be looked through further.

    See Also
    --------
    contrast : Makes one.

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

    def frame(self) -> Any:
        """Return the contributions as a pandas DataFrame, a row for each column.

        Returns
        -------
        pandas.DataFrame
            Columns `sample`, `label`, `against`, `feature`, `value`,
            `prototype_value`, `against_value` and `contribution`; of each sample the
            largest contribution, of either sign, first.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        pandas = check_dependency("pandas", caller="frame", extra="all")
        order = self._order()
        n_columns = order.shape[1]

        def sorted_by_size(values: NDArray) -> NDArray:
            return np.take_along_axis(values, order, axis=1).ravel()

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
            }
        )

    def _order(self) -> NDArray[np.intp]:
        """Columns of each sample, the largest contribution of either sign first."""
        return np.argsort(-np.abs(self.contributions), axis=1, kind="stable")

    def _named_value(self, row: int, column: int) -> tuple[str, str]:
        """Name a column and the sample's value in it, short enough for an axis."""
        value = self.values[row, column]
        shown = f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)
        return clipped(self.feature_names[column], 28), clipped(shown, 16)

    def plot(
        self, *, n_features: int = 10, max_samples: int = 10, figure: Any = None
    ) -> NDArray:
        """Draw the largest contributions of each sample as bars.

        Parameters
        ----------
        n_features : int, default=10
            Number of columns to draw; the others are summed into one more bar.

        max_samples : int, default=10
            Number of samples to draw, the first ones; a slice shows others.

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
        """
        pyplot = check_dependency(
            "matplotlib.pyplot", caller="Contrast.plot", extra="plot"
        )
        return plot_contrast(pyplot, self, n_features, max_samples, figure)

    def _repr_html_(self) -> str:
        head = ["sample", "class", "against", "margin", "largest contributions"]
        rows = list(self._html_rows())
        return html_table(
            f"{self!r}, columns of {self.space}", head, rows, len(self) - len(rows)
        )

    def _html_rows(self) -> Iterator[list[Any]]:
        order = self._order()
        for row in range(min(len(self), MAX_ROWS)):
            yield [
                self.sample_indices[row],
                self.labels[row],
                self.against[row],
                f"{self.margin[row]:.3g}",
                [self._html_part(row, column) for column in order[row, :5]],
            ]

    def _html_part(self, row: int, column: int) -> Html:
        name, value = map(text, self._named_value(row, column))
        return Html(f"{name} = {value}: {self.contributions[row, column]:+.3g}")


def contrast(
    psem: Any,
    X: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    against: ArrayLike | None = None,
) -> Contrast:
    r"""Split "why this class and not that one" over the columns of a table.

    Of a sample at z, nearer to the prototype a of the predicted class than to b, the
    nearest of any other, the margin in squared distance is a sum over features. It is
    taken back through the steps of a `Pipeline` as far as each keeps its columns
    apart or is an affine map, usually to the columns that the user knows.

    Read more in the :ref:`User Guide <contrast>`.

    Parameters
    ----------
    psem : estimator
        Fitted prototypical self-explainable model: anything with `classes_`,
        `prototypes_`, `prototype_classes_` and `transform`, or a
        :class:`~sklearn.pipeline.Pipeline` that ends in one.

    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Samples to explain, as `psem` takes them.

    labels : label or array-like of shape (n_samples,), default=None
        Class to speak for, one for all or one for each sample. None is the predicted
        class.

    against : label or array-like of shape (n_samples,), default=None
        Class to hold it against. None is that of the nearest prototype of any other
        class.

    Returns
    -------
    Contrast
        Contributions of the columns, which sum to the margin.

    Raises
    ------
    TypeError
        If `psem` is no prototypical self-explainable model.

    ValueError
        If a label is unknown, is held against itself, or has no prototypes.

    See Also
    --------
    explain : The decision, its prototypes and their similarities.

    Notes
    -----
    With d the Euclidean distance between embeddings,

    .. math:: d(z, b)^2 - d(z, a)^2
        = \sum_c (z_c - b_c)^2 - (z_c - a_c)^2
        = \sum_c 2 (a_c - b_c) \left(z_c - \tfrac{a_c + b_c}{2}\right)

    Where each output column of a step comes from one input column, as with scalers,
    imputers, selectors, one-hot encoders and those side by side in a
    `ColumnTransformer`, an input column gets the sum of what its output columns got:
    that is exact, whatever the step makes of the values. An affine map A that mixes
    columns, as PCA, takes the slope :math:`2 (a - b)` back as :math:`A^T 2 (a - b)`
    and the shift :math:`z - (a + b)/2` as the least change of the input that makes it,
    :math:`A^+ (z - (a + b)/2)`; their products are the contributions. It is the same
    as the former where A is diagonal. Steps are tried on rows to see that they do what
    their names say; where one does not, or the parts would not sum to the margin, the
    walk stops, and `space` names the columns.

    "Nearest" is by the model's own similarities. With `aggregation="sum"`, several
    prototypes decide, of which this shows the two nearest, so that a margin may be
    negative.

    The split is ours, from the same identity as the neuralized k-means of J. Kauffmann
    et al., "From Clustering to Cluster Explanations via Neural Networks", 2022.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.explain import contrast
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> psem = make_pipeline(PCA(3), KMExClassifier(2, random_state=0)).fit(X, y)
    >>> why = contrast(psem, X[:1])
    >>> why.space, why.feature_names[0]
    ('input', 'sepal length (cm)')
    >>> bool(abs(why.contributions.sum() - why.margin[0]) < 1e-9)
    True
    """
    sem, X = find_sem(psem), _as_table(X)
    steps = steps_before(psem)
    inputs = forward(steps, X)
    found = decide(psem, inputs[-1])
    codes, others = _sides(found, labels, against)
    own = found.nearest_of(codes)
    rivals = _rivals(found, codes, others)
    split = split_margin(rows_of(inputs[-1]), sem.prototypes_, own, rivals)
    margin = split.parts.sum(axis=1)
    split, left = walk_back(steps, inputs, split)
    return Contrast(
        sample_indices=np.arange(len_of(X)),
        contributions=split.parts,
        margin=margin,
        labels=found.classes[codes],
        against=found.classes[found.owners[rivals]],
        prototypes=own,
        against_prototypes=rivals,
        values=rows_of(inputs[left]),
        prototype_values=split.points[0],
        against_values=split.points[1],
        prototype_rows=found.training_rows,
        feature_names=_names(psem, inputs, steps[:left], split.parts.shape[1]),
        space=steps[left - 1][0] if left else "input",
    )


def _as_table(X: Any) -> Any:
    """Make an array of rows that are lists; leave anything else."""
    rows = isinstance(X, list | tuple) and all(isinstance(r, list | tuple) for r in X)
    return as_samples(np.asarray(X) if rows else X)


def split_margin(
    Z: NDArray, prototypes: ArrayLike, own: NDArray, rivals: NDArray
) -> Split:
    """Split the margin over the features of embeddings."""
    Z, P = Z.astype(np.float64), np.asarray(prototypes, dtype=np.float64)
    a, b = P[own], P[rivals]
    slope, shift = 2 * (a - b), Z - (a + b) / 2
    return Split(slope * shift, np.stack([a, b]), slope, shift)


def _sides(
    found: Decision, labels: ArrayLike | None, against: ArrayLike | None
) -> tuple[NDArray[np.intp], NDArray[np.intp] | None]:
    """Code the class to speak for and the one to speak against, if any."""
    shape = found.predicted.shape
    codes, others = found.predicted, None
    if labels is not None:
        codes = class_codes(found.classes, np.broadcast_to(labels, shape))
    if against is not None:
        others = class_codes(found.classes, np.broadcast_to(against, shape))
        if (codes == others).any():
            row = int(np.argmax(codes == others))
            raise ValueError(
                "against must be another class than the one to speak for; got "
                f"{found.classes[others[row]].item()!r} for both at sample {row}."
            )
    return codes, others


def _rivals(
    found: Decision, codes: NDArray, others: NDArray | None
) -> NDArray[np.intp]:
    if others is not None:
        return found.nearest_of(others)
    return found.most_similar(found.owners != codes[:, np.newaxis])


def _names(
    psem: Any, inputs: list[Any], steps: list[tuple[str, Any]], n_columns: int
) -> NDArray[np.object_]:
    """Names that the columns have, or that the steps give those of X."""
    names = getattr(inputs[0], "columns", getattr(psem, "feature_names_in_", None))
    for _, step in steps:
        try:
            names = step.get_feature_names_out(names)
        except Exception:  # a step need not know names
            names = None
    names = getattr(inputs[len(steps)], "columns", names)
    if names is None or len(names) != n_columns:
        names = [f"x{column}" for column in range(n_columns)]
    return np.array([str(name) for name in names], dtype=object)

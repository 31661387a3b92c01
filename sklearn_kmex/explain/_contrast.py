"""contrast: why one class and not another, column by column."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_kmex._data.samples import len_of
from sklearn_kmex._draw.contrast import (
    by_size,
    contrast_table,
    plot_contrast,
    reasons_of,
)
from sklearn_kmex._draw.table import Table
from sklearn_kmex._model.decision import decide
from sklearn_kmex._model.protocol import find_sem, of_one_state
from sklearn_kmex._model.rule import rule_of
from sklearn_kmex._model.steps import steps_before
from sklearn_kmex.explain._margin import (
    margins_of_weights,
    rivals_of,
    sides,
    split_margin,
)
from sklearn_kmex.explain._points import as_table, with_training_rows
from sklearn_kmex.explain._probe import rows_of
from sklearn_kmex.explain._records import SHARED, Records
from sklearn_kmex.explain._walk import column_names, forward, walk_back
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
            contributions. Columns that contribute nothing are not named.

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

    def _table(self, n_rows: int) -> Table:
        return contrast_table(self, n_rows)


def contrast(
    psem: Any,
    X: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    against: ArrayLike | None = None,
    method: str = "auto",
    X_train: ArrayLike | None = None,
) -> Contrast:
    r"""Split the margin between two classes over the columns of a table.

    The margin is the squared distance of a sample to the most similar prototype of
    another class, minus that to the most similar prototype of the predicted class, in
    the metric of the model. It is a sum over the features of the embedding. The sum is
    taken back through the steps of a `Pipeline` as long as each step treats its columns
    separately, is an affine map, or divides rows by their length; often as far as the
    columns of X.

    Read more in the :ref:`User Guide <contrast>`.

    Parameters
    ----------
    psem : estimator
        Fitted prototypical self-explainable model: a classifier with `classes_`,
        `prototypes_`, `prototype_classes_` and `transform`. A `Pipeline` that ends in
        one and a fitted search, `FrozenEstimator` or `RejectingClassifier` around one
        are accepted; the classifier inside is explained.

    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Samples to explain, as `psem` takes them.

    labels : label or array-like of shape (n_samples,), default=None
        Class that is explained, one for all samples or one for each. None is the
        predicted class.

    against : label or array-like of shape (n_samples,), default=None
        Class that it is compared with, one for all samples or one for each. None is the
        class of the most similar prototype of any other class.

    method : {"auto", "tree_shap", "path"}, default="auto"
        How the margin is split over the columns that go into an embedder.

        - "auto": the first method of the embedder: "tree_shap" for trees.
        - "tree_shap": for an ensemble of trees, the Shapley values of the columns
          [1]_. They are exact. Columns that together decide share their contribution.
        - "path": for an ensemble of trees, much faster for deep ones [2]_. From the
          root to the leaf of a sample, each split changes the expected margin of the
          training rows in the node. The column of the split gets the change, so that
          of columns that together decide the last one gets most.

    X_train : array-like of shape (n_train, n_features), default=None
        Rows that `psem` was fitted on. If the steps have no inverse, as trees have
        none, `prototype_values` and `against_values` are those of the nearest training
        rows.

    Returns
    -------
    Contrast
        Contributions of the columns, which sum to the margin minus `base`.

    Raises
    ------
    TypeError
        If `psem` is not a prototypical self-explainable model.

    ValueError
        If a label is unknown, is compared with itself, or has no prototypes; if
        `method` is none of the model; or if `X_train` does not hold the nearest
        training rows.

    See Also
    --------
    explain : The decision, its prototypes and their similarities.

    Notes
    -----
    With z the embedding of a sample, a and b the two prototypes, and :math:`d(z, p)^2 =
    (z - p)^T M (z - p)` the squared distance in the metric of the model,

    .. math:: d(z, b)^2 - d(z, a)^2
        = \sum_c [2 M (a - b)]_c \left(z_c - \tfrac{a_c + b_c}{2}\right)

    The terms of the sum are the contributions: a slope times the shift of the sample
    from the middle of the two prototypes. M is the identity for the Euclidean distance,
    and `metric_map_ @ metric_map_.T` for the Mahalanobis distance. For the cosine
    metrics z is divided by its length. This length, and that of a row that a
    `Normalizer` divides, is a factor that is held fixed: a column of the row gets the
    contribution of the column divided by the length.

    If each output column of a step comes from one input column, as with scalers,
    imputers, selectors, one-hot encoders and combinations of these in a
    `ColumnTransformer`, an input column gets the sum of the contributions of its output
    columns. This is exact for any such step. An affine map A that mixes columns, such
    as PCA, takes the slope :math:`2 M (a - b)` back as :math:`A^T 2 M (a - b)`, and the
    shift :math:`z - (a + b)/2` as the smallest change of the input that produces it,
    :math:`A^+ (z - (a + b)/2)`. The contributions are the products of the two. If A is
    diagonal, both rules agree. Each step is tested on some rows. If it does not keep
    its columns apart, or if the contributions would not sum to the margin, they are
    given for the output of this step, and `space` is its name.

    The two prototypes are those of the largest weighted similarity: the similarity plus
    T log w, with the temperature T and the weight w of the prototype. Weights are no
    part of the margin in squared distance, so that it can be negative. For the gaussian
    similarity, `margin + weight_contribution` is twice the difference of the weighted
    similarities. For the log similarity, only `similarity_margin + weight_margin` is
    that difference. With `aggregation="sum"` several prototypes decide. Then only the
    two most similar are compared, and both margins can be negative.

    With leaf values or leaves as embedding, the margin is an ensemble of the same trees
    with other values in their leaves. Both methods for trees start at `base`, the
    expected margin of the training rows of each tree, weighted as in its nodes. A
    column that no tree splits on gets 0. Missing values and categories go to the side
    that the library sends them to.

    The split is an addition of this package. It uses the same identity as the
    neuralized k-means of J. Kauffmann et al., "From Clustering to Cluster Explanations
    via Neural Networks", 2022.

    References
    ----------
    .. [1] Scott Lundberg et al., "From Local Explanations to Global Understanding with
       Explainable AI for Trees", Nature Machine Intelligence 2, 2020.
    .. [2] Ando Saabas, "Interpreting random forests", 2014.

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
    psem = of_one_state(psem)
    sem, X = find_sem(psem), as_table(X)
    steps = steps_before(psem)
    inputs = forward(steps, X)
    found = decide(psem, inputs[-1])
    codes, others = sides(found, labels, against)
    own = found.nearest_of(codes)
    rivals = rivals_of(found, codes, others)
    rule = rule_of(sem)
    split = split_margin(rows_of(inputs[-1]), rule, own, rivals)
    margin = split.parts.sum(axis=1)
    split, left = walk_back(steps, inputs, split, method)
    if method not in ("auto", split.method):
        raise ValueError(
            f"method must be 'auto' for this model, whose method is {split.method!r}; "
            f"got {method!r}."
        )
    points = split.points
    if X_train is not None and left == 0:
        nearest = found.training_rows[np.stack([own, rivals])]
        points = with_training_rows(points, as_table(X_train), nearest)
    return Contrast(
        sample_indices=np.arange(len_of(X)),
        contributions=split.parts,
        margin=margin,
        base=split.base,
        error=split.error,
        method=split.method,
        **margins_of_weights(found, rule, own, rivals),
        labels=found.classes[codes],
        against=found.classes[found.owners[rivals]],
        prototypes=own,
        against_prototypes=rivals,
        values=rows_of(inputs[left]),
        prototype_values=points[0],
        against_values=points[1],
        prototype_rows=found.training_rows,
        feature_names=column_names(psem, inputs, steps[:left], split.parts.shape[1]),
        space=steps[left - 1][0] if left else "input",
    )

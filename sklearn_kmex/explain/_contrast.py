"""contrast: why one class and not another, column by column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_kmex._data.samples import len_of
from sklearn_kmex._model.decision import decide
from sklearn_kmex._model.protocol import find_sem, of_one_state
from sklearn_kmex._model.rule import rule_of
from sklearn_kmex._model.steps import run_steps, steps_before
from sklearn_kmex.explain._contributions import Contrast
from sklearn_kmex.explain._margin import (
    margins_of_weights,
    rivals_of,
    sides,
    split_margin,
)
from sklearn_kmex.explain._points import as_table, with_training_rows
from sklearn_kmex.explain._probe import rows_of
from sklearn_kmex.explain._sampling import (
    MOST_COLUMNS,
    SAMPLING,
    can_sample,
    sample_split,
)
from sklearn_kmex.explain._walk import Split, column_names, forward, walk_back


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

    method : str, default="auto"
        How the margin is split over the columns that go into an embedder.

        - "auto": the first method of the embedder: "tree_shap" for trees,
          "integrated_gradients" for networks and linear classifiers. For other models,
          and behind steps that mix columns, "sampling" if `X_train` is given; otherwise
          the columns are those of a step, which `space` names.
        - "tree_shap": for an ensemble of trees, the Shapley values of the columns
          [1]_. They are exact. Columns that together decide share their contribution.
        - "path": for an ensemble of trees, much faster for deep ones [2]_. From the
          root to the leaf of a sample, each split changes the expected margin of the
          training rows in the node. The column of the split gets the change, so that
          of columns that together decide the last one gets most.
        - "integrated_gradients": for an MLP, a linear classifier, and a torch network
          on a table: the mean gradient between rows of the training set and the sample,
          times their difference, averaged over the rows with the smallest margins (see
          :ref:`contributions_to_networks`). `base` is their mean margin.
        - "epsilon", "epsilon_plus", "epsilon_alpha2_beta1": for the same models, but
          linear classifiers of more than two classes: layer-wise relevance propagation,
          as in :func:`relevance`. `error` is what biases keep.
        - "sampling": for any model of a dense table of at most 200 columns, the
          Shapley values of the columns, averaged over 16 random orders of the columns
          and their opposites [3]_. The columns of training rows are replaced by those
          of the sample one by one. The sum is exact; the single contributions have a
          sampling error. `base` is the mean margin of these training rows.

    X_train : array-like of shape (n_train, n_features), default=None
        Rows that `psem` was fitted on, of the type of X. They are needed for
        "sampling". If the steps have no inverse, as trees have
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
    .. [3] Erik Strumbelj and Igor Kononenko, "An Efficient Explanation of Individual
       Classifications using Game Theory", JMLR 11, 2010.

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
    X, steps = as_table(X), steps_before(psem)
    inputs = forward(steps, X)
    found, rule = decide(psem, inputs[-1]), rule_of(find_sem(psem))
    codes, others = sides(found, labels, against)
    own, rivals = found.nearest_of(codes), rivals_of(found, codes, others)

    def split_at(Z: Any) -> Split:
        return split_margin(rows_of(Z), rule, own, rivals)

    margin = _margin(split_at(inputs[-1]))
    split, left = _take_back(steps, inputs, split_at, method, X_train)
    if X_train is not None and left == 0:
        nearest = found.training_rows[np.stack([own, rivals])]
        points = with_training_rows(split.points, as_table(X_train), nearest)
        split = split._replace(points=points)
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
        prototype_values=split.points[0],
        against_values=split.points[1],
        prototype_rows=found.training_rows,
        feature_names=column_names(psem, inputs, steps[:left], split.parts.shape[1]),
        space=steps[left - 1][0] if left else "input",
    )


def _take_back(
    steps: list[tuple[str, Any]],
    inputs: list[Any],
    split_at: Callable[[Any], Split],
    method: str,
    X_train: Any,
) -> tuple[Split, int]:
    """Take the split of the margin back to the columns of X if possible.

    Returns the split and the number of steps whose output it is for.
    """
    X, split, left = inputs[0], split_at(inputs[-1]), len(steps)
    if method != SAMPLING:
        split, left = walk_back(steps, inputs, split, method)
        _check_method(method, split)
    if (left and method == "auto") or method == SAMPLING:
        rows = None if X_train is None else as_table(X_train)
        if can_sample(X, rows):
            return sample_split(
                lambda some: _margin(split_at(run_steps(steps, some))), X, rows
            ), 0
    if method == SAMPLING:
        raise ValueError(
            f"method='sampling' requires X_train, and a dense table of at most "
            f"{MOST_COLUMNS} columns. Pass the rows that psem was fitted on, or use "
            "method='auto'."
        )
    return split, left


def _margin(split: Split) -> NDArray[np.float64]:
    total: NDArray = split.parts.sum(axis=1)
    return total


def _check_method(method: str, split: Split) -> None:
    if method not in ("auto", split.method):
        raise ValueError(
            f"method must be 'auto' for this model, whose method is {split.method!r}; "
            f"got {method!r}."
        )

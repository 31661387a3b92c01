"""Likeness: the training samples that are shown look like the samples they explain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.utils import check_array, column_or_1d, gen_batches
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_consistent_length

from sklearn_kmex._compat import _check_sample_weight, validate_params
from sklearn_kmex._data.samples import as_array, as_samples, len_of, sample, take
from sklearn_kmex._data.unit_rows import as_rows, unit_rows

BLOCK_ROWS = 2_048
EQUAL = 1e-12  # cosine similarities that differ by less are equal

_EMBEDDINGS = ["array-like", "sparse matrix"]


@validate_params(
    {
        "Z": _EMBEDDINGS,
        "shown": ["array-like"],
        "Z_train": _EMBEDDINGS,
        "y_train": ["array-like"],
        "sample_weight": ["array-like", None],
    },
    prefer_skip_nested_validation=True,
)
def example_likeness_score(
    Z: ArrayLike,
    shown: ArrayLike,
    Z_train: ArrayLike,
    y_train: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    r"""Compute how much the training samples that are shown look like the samples.

    A decision is explained by a training sample: the one that represents the winning
    prototype. Its likeness is the share of the training samples of its class that are
    at most as similar to the decided sample, by cosine similarity of embeddings.

    Read more in the :ref:`User Guide <likeness>`.

    Parameters
    ----------
    Z : {array-like, sparse matrix} of shape (n_samples, n_features)
        Embeddings of the samples, as the encoder gives them: the input of the
        classifier, before any metric of the classifier.

    shown : array-like of shape (n_samples,), dtype=int
        Row of `Z_train` that is shown for each sample.

    Z_train : {array-like, sparse matrix} of shape (n_train, n_features)
        Embeddings of the training samples.

    y_train : array-like of shape (n_train,)
        Their labels.

    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each sample. None means equal weights.

    Returns
    -------
    float
        Mean likeness in (0, 1]; 1 is best. It is about 0.5 if the training samples
        shown are drawn at random from their classes.

    Raises
    ------
    ValueError
        If `shown` holds a number that is not a row of `Z_train`, embeddings are not
        finite, or shapes do not fit.

    See Also
    --------
    make_example_likeness_scorer : The same for a fitted model.
    distinct_examples_score : Share of prototypes that show a training sample of their
        own.

    Notes
    -----
    With the embedding :math:`z_i` of sample i, the training row r(i) shown for it, and
    the training rows :math:`T_{r(i)}` of the class of r(i),

    .. math:: \frac{1}{n} \sum_i \frac{1}{|T_{r(i)}|} \sum_{t \in T_{r(i)}}
        [\cos(z_i, z_t) \le \cos(z_i, z_{r(i)})]

    Rows that are as similar as the row shown count, among them the row itself; cosines
    that differ by less than 1e-12 are equal. A class whose rows are all equal therefore
    gives 1. The cosine similarity to a row of zeros is 0.

    The cost is one product for each pair of a sample and a training row of the class
    shown, O(n_samples * n_train * n_features / n_classes), in blocks of 2,048 rows. The
    metric is not part of the KMEx paper.

    Examples
    --------
    >>> from sklearn_kmex.metrics import example_likeness_score
    >>> Z_train, y_train = [[1, 0], [1, 1], [0, 1], [-1, 0]], [0, 0, 0, 0]
    >>> example_likeness_score([[1, 0]], [0], Z_train, y_train)
    1.0
    >>> example_likeness_score([[1, 0]], [2], Z_train, y_train)
    0.5
    """
    samples, training = as_rows(Z, "Z"), as_rows(Z_train, "Z_train")
    if samples.shape[1] != training.shape[1]:
        raise ValueError(
            "Z must have as many features as Z_train, "
            f"{training.shape[1]}; got {samples.shape[1]}."
        )
    rows, labels = check_rows(shown, training.shape[0]), column_or_1d(y_train)
    check_consistent_length(samples, rows)
    check_consistent_length(training, labels)
    weights = _check_sample_weight(sample_weight, rows, dtype=np.float64)
    likeness = np.empty(len(rows))
    for label in np.unique(labels[rows]):
        of_class = training[np.flatnonzero(labels == label)]
        own = np.flatnonzero(labels[rows] == label)
        for some in gen_batches(len(own), BLOCK_ROWS):
            block = own[some]
            shown_rows = training[rows[block]]
            likeness[block] = _likeness(samples[block], shown_rows, of_class)
    return float(np.average(likeness, weights=weights))


def check_rows(shown: ArrayLike, n_rows: int) -> NDArray[np.intp]:
    """Return row numbers as an array, or refuse what is not a row of so many."""
    numbers = check_array(shown, ensure_2d=False, dtype=None, input_name="shown")
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise ValueError(
            "shown must be row numbers in an array of one dimension; got shape "
            f"{numbers.shape} and dtype {numbers.dtype}."
        )
    if numbers.min() < 0 or numbers.max() >= n_rows:
        raise ValueError(
            f"shown must be numbers of {n_rows} training rows, from 0 to {n_rows - 1}; "
            f"got {numbers.min()} to {numbers.max()}. A model that does not know the "
            "training rows of its prototypes has -1."
        )
    return numbers.astype(np.intp)


def _likeness(Z: Any, shown: Any, of_class: Any) -> NDArray[np.float64]:
    """Return the share of rows at most as similar to each sample as the row shown."""
    samples, n_rows = unit_rows(Z.astype(np.float64)), of_class.shape[0]
    limits = EQUAL + _paired_products(samples, unit_rows(shown.astype(np.float64)))
    counts = np.zeros(samples.shape[0])
    for block in gen_batches(n_rows, BLOCK_ROWS):
        rows = unit_rows(of_class[block].astype(np.float64))
        cosines = safe_sparse_dot(samples, rows.T, dense_output=True)
        counts += np.count_nonzero(cosines <= limits[:, np.newaxis], axis=1)
    return counts / n_rows


def _paired_products(A: Any, B: Any) -> NDArray[np.float64]:
    """Return the product of each row of A with the same row of B."""
    if sparse.issparse(A):
        return np.asarray(A.multiply(B).sum(axis=1)).ravel()
    products = B.multiply(A) if sparse.issparse(B) else A * B
    return np.asarray(products.sum(axis=1)).ravel()


@validate_params({"shown": ["array-like"]}, prefer_skip_nested_validation=True)
def distinct_examples_score(shown: ArrayLike, X_train: Any = None) -> float:
    """Compute the share of prototypes that show a training sample of their own.

    It is the number of different training samples that represent the prototypes, over
    the number of prototypes. If it is below 1, some prototypes cannot be told apart by
    what is shown of them.

    Read more in the :ref:`User Guide <likeness>`.

    Parameters
    ----------
    shown : array-like of shape (n_prototypes,), dtype=int
        Training row that represents each prototype, such as `prototype_indices_`.

    X_train : array-like, frame, list or Dataset, default=None
        Training samples, to compare their content: equal samples in different rows
        then count once. None compares only row numbers.

    Returns
    -------
    float
        Share in (0, 1]; 1 is best.

    Raises
    ------
    ValueError
        If `shown` holds a negative number, or one that is not a row of `X_train`.

    See Also
    --------
    distinct_examples_scorer : The same for a fitted model.
    diversity_score : How different the prototypes themselves are.

    Notes
    -----
    The metric is not part of the KMEx paper.

    Examples
    --------
    >>> from sklearn_kmex.metrics import distinct_examples_score
    >>> distinct_examples_score([0, 2, 2, 3])
    0.75
    >>> distinct_examples_score([0, 2, 2, 3], X_train=[[5], [6], [7], [5]])
    0.5
    """
    if X_train is None:
        numbers = check_rows(shown, np.iinfo(np.intp).max)
        return len(np.unique(numbers)) / len(numbers)
    X_train = as_samples(X_train)
    numbers = check_rows(shown, len_of(X_train))
    some = take(X_train, np.unique(numbers))
    return len({_content(sample(some, i)) for i in range(len_of(some))}) / len(numbers)


def _content(value: Any) -> Any:
    """Return what is equal for equal samples, and can be a member of a set."""
    if isinstance(value, Mapping):
        return tuple((key, _content(value[key])) for key in value)
    array = np.asarray(value.toarray() if sparse.issparse(value) else as_array(value))
    if array.dtype.kind in "biufc":
        return array.shape, (array + array.dtype.type(0)).tobytes()  # no -0.0
    return array.shape, repr(array.tolist())

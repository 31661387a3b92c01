"""audit: suspect labels, suspect prototypes, and duplicates in the test set."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.utils import Bunch, check_array, column_or_1d
from sklearn.utils.validation import check_consistent_length

from sklearn_kmex._compat import Interval, validate_params
from sklearn_kmex._data.brief import brief
from sklearn_kmex._draw.sentences import audit_lines
from sklearn_kmex._draw.terminal import paragraphs
from sklearn_kmex._fit.merging import pairs_within_classes
from sklearn_kmex._fit.prototypes import canonical, row_keys
from sklearn_kmex._model.protocol import find_sem, of_one_state
from sklearn_kmex._model.rule import rule_of
from sklearn_kmex._model.steps import compare
from sklearn_kmex.metrics._reach import unreachable
from sklearn_kmex.metrics._suspects import Reference, find_outvoted, find_suspects
from sklearn_kmex.utils import check_dependency


class Audit(Bunch):
    """Result of `audit`, with the suspect samples as a table."""

    def frame(self) -> Any:
        """Return the suspect samples as a pandas DataFrame, most suspect first.

        Returns
        -------
        pandas.DataFrame
            Columns `row`, `label`, `suggested_label`, `suggested_prototype` and
            `suspicion`.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        pandas = check_dependency("pandas", caller="frame", extra="all")
        return pandas.DataFrame(
            {
                "row": self.suspect_rows,
                "label": self.suspect_labels,
                "suggested_label": self.suggested_labels,
                "suggested_prototype": self.suggested_prototypes,
                "suspicion": self.suspicion,
            }
        )

    def __str__(self) -> str:
        return paragraphs([audit_lines(self)])


@validate_params(
    {
        "min_suspicion": [Interval(Real, None, None, closed="both")],
        "duplicate_threshold": [Interval(Real, 0, None, closed="left")],
        "error_rate": [Interval(Real, 0, 1, closed="both"), None],
    },
    prefer_skip_nested_validation=True,
)
def audit(
    psem: Any,
    X: ArrayLike,
    y: ArrayLike,
    *,
    X_test: ArrayLike | None = None,
    min_suspicion: float = 0.0,
    duplicate_threshold: float = 0.1,
    error_rate: float | None = None,
) -> Audit:
    r"""Find suspect labels and prototypes, and duplicates in the test set.

    The label of a sample is suspect if the sample is more similar to a prototype of
    another class than to any of its own. Similarities are those that the model
    compares: weighted, if its prototypes have unequal weights. The model may have been
    fitted to the labels in question: a prototype of samples with wrong labels is
    *outvoted* if it attracts more samples of another class, and is then ignored in the
    search for suspect labels.

    Read more in the :ref:`User Guide <audit>`.

    Parameters
    ----------
    psem : estimator
        Fitted prototypical self-explainable model: anything with `classes_`,
        `prototypes_`, `prototype_classes_` and `transform`, or a
        :class:`~sklearn.pipeline.Pipeline` that ends in one.

    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        Samples, as `psem` takes them; usually the training samples.

    y : array-like of shape (n_samples,)
        Labels of the samples, each of a class that has prototypes.

    X_test : array-like of shape (n_test, n_features) or (n_test, ...), default=None
        Samples that should not be in X. None does not search for duplicates.

    min_suspicion : float, default=0.0
        Samples with a suspicion above this value are listed; `-numpy.inf` lists all.

    duplicate_threshold : float, default=0.1
        Maximum relative distance of near-duplicate prototypes, as in `merge_threshold`
        of :class:`~sklearn_kmex.KMExClassifier`.

    error_rate : float in [0, 1], default=None
        Share of samples with correct labels that the model misclassifies, such as one
        minus its accuracy on held-out samples. So many suspect labels are explained by
        errors of the model, and are not counted in `n_excess`.

    Returns
    -------
    :class:`~sklearn.utils.Bunch`
        Dictionary-like object with these findings, any of which may be empty:

        suspect_rows : ndarray of shape (n_suspect,), dtype=intp
            Rows of X with suspect labels, the most suspect one first.
        n_excess : int
            Number of labels with a positive suspicion beyond those that errors of the
            model explain. Look at so many of the first `suspect_rows`. With an accuracy
            of 65 %, more than a third of all labels are suspect, even if all are
            correct.
        suspicion : ndarray of shape (n_suspect,)
            Suspicion of these samples: the largest similarity to a prototype of another
            class minus the largest similarity to one of the own class, without outvoted
            prototypes. Any real number, in the unit of similarities; higher is more
            suspect, and positive if the sample is more similar to another class. What
            the weights of prototypes add is included.
        suspect_labels : ndarray of shape (n_suspect,)
            Labels of these samples in `y`.
        suggested_labels : ndarray of shape (n_suspect,)
            Classes of `suggested_prototypes`.
        suggested_prototypes : ndarray of shape (n_suspect,), dtype=intp
            The most similar prototypes of another class.
        outvoted_prototypes : ndarray of shape (n_outvoted,), dtype=intp
            Prototypes that are the most similar ones for a larger share of another
            class than of their own.
        impure_prototypes : :class:`~sklearn.utils.Bunch`
            Prototypes whose most similar sample is of another class, as arrays of the
            same length: `prototype`, `prototype_class`, `row`, `row_class`.
        shadowed_prototypes : ndarray of shape (n_shadowed,), dtype=intp
            Prototypes that are not the most similar one for any sample.
        unreachable_prototypes : ndarray of shape (n_unreachable,), dtype=intp
            Those of them that are not the most similar one for any possible sample,
            because others have more weight, or are equal and come first. For the cosine
            metrics, some may be missed.
        duplicate_prototypes : :class:`~sklearn.utils.Bunch`
            Pairs of prototypes of the same class at a relative distance of at most
            `duplicate_threshold`, nearest first: `prototype`, `other`,
            `prototype_class`, `distance`, `relative_distance`. Relative distances are
            divided by the median, over all prototypes, of the distance to the nearest
            prototype of another class; for a single class, by the median distance of
            all pairs. Distances are Euclidean, between rows of `prototypes_` as they
            are shown, whatever metric decides.
        duplicate_rows : :class:`~sklearn.utils.Bunch` or None
            Samples of `X_test` with the same content as a sample of X: `test_row`, and
            `row`, the first such sample of X. None without `X_test`.
        frame : method
            Return the suspect samples as a pandas DataFrame.

    Raises
    ------
    TypeError
        If `psem` is not a prototypical self-explainable model.

    ValueError
        If `y` contains a class without prototypes, or shapes do not fit.

    See Also
    --------
    sklearn_kmex.KMExClassifier : Merges duplicate prototypes with `merge_threshold`.
    ghosting_rate : Share of shadowed prototypes.
    prototype_usage : Number of samples that each prototype decides.

    Notes
    -----
    With the similarity s(i, k) of sample i to prototype k, including what the weight
    of the prototype adds, the class c(k) of prototype k, and the set K of prototypes
    that are not outvoted,

    .. math:: \text{suspicion}_i = \max_{k \in K, c(k) \ne y_i} s(i, k)
        - \max_{k \in K, c(k) = y_i} s(i, k)

    If the prototypes of more than a third of a class, or all of a class, are outvoted,
    all of them are kept, because the classes overlap. Shares of classes
    are compared, not counts, so that small classes are not outvoted because of their
    size. With a single class, suspicion is minus infinity.

    `n_excess` is the largest value of

    .. math:: n(c) - e(c) - 3 \sqrt{e(c)}

    or 0, where n(c) is the number of labels more suspect than c, and e(c) the number
    that errors of the model explain. With `error_rate`, e(0) is this share of X. If the
    model has a `temperature_`, e(c) at 100 levels c is also twice the number expected
    if labels were drawn with its probabilities. This is a cautious estimate of the
    number of wrong labels: those that make the model less certain increase e(c).

    With too few prototypes, unusual samples of a class are more similar to another
    class, and wrong labels are hard to find among them. The method is not part of the
    KMEx paper.

    The cost is that of one `transform` of X, O(n_samples * n_prototypes), and
    O(n_prototypes ** 2 * n_features); for the gaussian similarity and unequal weights,
    also that of a linear program for each shadowed prototype that a prototype of more
    weight wins even at its own place. Duplicates are found by sorting a copy of both
    sets, without embedding them.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.metrics import audit
    >>> X, y = load_iris(return_X_y=True)
    >>> y[7] = 2  # a wrong label
    >>> psem = KMExClassifier(n_prototypes=2, random_state=0).fit(X, y)
    >>> found = audit(psem, X, y)
    >>> int(found.suspect_rows[0]), int(found.suggested_labels[0])
    (7, 0)
    """
    psem = of_one_state(psem)
    sem = find_sem(psem)
    reference = _compare(psem, sem, X, y)
    winners = reference.similarities.argmax(axis=1)
    outvoted = find_outvoted(reference, winners)
    usage = np.bincount(winners, minlength=len(reference.owners))
    shadowed = np.flatnonzero(usage == 0)
    temperature = getattr(sem, "temperature_", None)
    return Audit(
        **find_suspects(reference, outvoted, min_suspicion, temperature, error_rate),
        outvoted_prototypes=np.flatnonzero(outvoted),
        impure_prototypes=_impure(reference),
        shadowed_prototypes=shadowed,
        unreachable_prototypes=unreachable(rule_of(sem), shadowed),
        duplicate_prototypes=_near_duplicates(
            sem.prototypes_, reference, duplicate_threshold
        ),
        duplicate_rows=None if X_test is None else _duplicate_rows(X, X_test),
    )


def _compare(psem: Any, sem: Any, X: ArrayLike, y: ArrayLike) -> Reference:
    """Compare samples with prototypes, and encode the labels of both."""
    labels = column_or_1d(y)
    prototype_labels = np.asarray(sem.prototype_classes_)
    classes = np.unique(prototype_labels)
    unknown = np.setdiff1d(labels, classes)
    if len(unknown):
        raise ValueError(
            "y must contain only classes that have prototypes, "
            f"{brief(classes)}; got {brief(unknown)} as well."
        )
    similarities = check_array(compare(psem, X), dtype=[np.float64, np.float32])
    check_consistent_length(similarities, labels)
    if similarities.shape[1] != len(prototype_labels):
        raise ValueError(
            "transform must give a similarity to each of the "
            f"{len(prototype_labels)} prototypes; got {similarities.shape[1]} columns."
        )
    similarities = rule_of(sem).weigh(similarities)
    codes = np.searchsorted(classes, labels)
    owners = np.searchsorted(classes, prototype_labels)
    return Reference(similarities, codes, owners, classes)


def _impure(reference: Reference) -> Bunch:
    """List prototypes whose most similar sample is of another class."""
    similarities, codes, owners, classes = reference
    nearest = similarities.argmax(axis=0)
    best_own = np.full(len(owners), -np.inf)
    for code in range(len(classes)):
        own, rows = np.flatnonzero(owners == code), np.flatnonzero(codes == code)
        # The other class must be more similar: equal samples may differ in label.
        similar = similarities[np.ix_(rows, own)]
        best_own[own] = similar.max(axis=0, initial=-np.inf)
    prototypes = np.flatnonzero(similarities.max(axis=0) > best_own)
    rows = nearest[prototypes]
    return Bunch(
        prototype=prototypes,
        prototype_class=classes[owners[prototypes]],
        row=rows,
        row_class=classes[codes[rows]],
    )


def _near_duplicates(
    prototypes: ArrayLike, reference: Reference, threshold: float
) -> Bunch:
    """List pairs of prototypes of a class at a small relative distance."""
    points = check_array(prototypes, dtype=np.float64)
    owners = reference.owners
    first, second, distances, relative = pairs_within_classes(points, owners)
    near = np.flatnonzero(relative <= threshold)
    near = near[np.argsort(relative[near], kind="stable")]
    return Bunch(
        prototype=first[near],
        other=second[near],
        prototype_class=reference.classes[owners[first[near]]],
        distance=distances[near],
        relative_distance=relative[near],
    )


def _duplicate_rows(X: ArrayLike, X_test: ArrayLike) -> Bunch:
    """List the samples of the test set that are also in X."""
    values = _stack(X, X_test)
    n_train = values.shape[0] - _n_rows(X_test)
    _, first, inverse = np.unique(
        row_keys(canonical(values)), return_index=True, return_inverse=True
    )
    origin = first[inverse[n_train:]]  # first row with this content, in both sets
    test_rows = np.flatnonzero(origin < n_train)
    return Bunch(row=origin[test_rows], test_row=test_rows)


def _stack(*sets: Any) -> Any:
    """Concatenate both sets, as numbers or codes."""
    if any(map(sparse.issparse, sets)):
        sets = tuple(sparse.csr_matrix(rows) for rows in sets)
    else:
        sets = tuple(_flat(rows) for rows in sets)
    if sets[0].shape[1] != sets[1].shape[1]:
        raise ValueError(
            f"X_test must have as many features as X, {sets[0].shape[1]}; "
            f"got {sets[1].shape[1]}."
        )
    if sparse.issparse(sets[0]):
        return sparse.vstack(sets, format="csr")
    values = np.concatenate(sets)
    return values if values.dtype.kind in "biufc" else _codes(values)


def _flat(rows: ArrayLike) -> NDArray:
    values = np.asarray(rows)
    return values.reshape(len(values), -1)


def _n_rows(rows: Any) -> int:
    return rows.shape[0] if hasattr(rows, "shape") else len(rows)


def _codes(values: NDArray) -> NDArray[np.intp]:
    """Encode the distinct values of each column, whatever their type."""
    columns = [np.unique(_comparable(c), return_inverse=True)[1] for c in values.T]
    return np.stack(columns, axis=1)


def _comparable(column: NDArray) -> NDArray:
    """Return a column as numbers, or as text if that is not possible."""
    try:
        return column.astype(np.float64)
    except (TypeError, ValueError):
        return column.astype(str)

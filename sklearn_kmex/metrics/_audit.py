"""What is wrong with the labels, the prototypes, and the split."""

from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.utils import Bunch, check_array, column_or_1d, gen_batches
from sklearn.utils.validation import check_consistent_length

from sklearn_kmex._compat import Interval, validate_params
from sklearn_kmex._data.arrays import BLOCK_ELEMENTS
from sklearn_kmex._fit.merging import pairs_within_classes
from sklearn_kmex._fit.prototypes import canonical, row_keys
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.steps import compare
from sklearn_kmex.utils import check_dependency


class Audit(Bunch):
    """What `audit` found; its suspect rows as a table."""

    def frame(self) -> Any:
        """Return the suspect rows as a pandas DataFrame, most suspect first.

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


class Reference(NamedTuple):
    """Similarities of rows to prototypes, and the codes of their classes."""

    similarities: NDArray  # (n_samples, n_prototypes)
    codes: NDArray[np.intp]  # of the rows
    owners: NDArray[np.intp]  # of the prototypes
    classes: NDArray  # by code


@validate_params(
    {
        "min_suspicion": [Interval(Real, None, None, closed="both")],
        "duplicate_threshold": [Interval(Real, 0, None, closed="left")],
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
) -> Audit:
    r"""Find suspect labels, prototypes that explain badly, and leaked rows.

    A row is suspect when it is more similar to a prototype of another class than
    to any of its own. The prototypes may be fitted on the very labels under
    suspicion: a prototype that wrong labels pulled into another class is *outvoted*
    there, and has no say in what is suspect.

    Read more in the :ref:`User Guide <audit>`.

    Parameters
    ----------
    psem : estimator
        Fitted prototypical self-explainable model: anything with `classes_`,
        `prototypes_`, `prototype_classes_` and `transform`, or a
        :class:`~sklearn.pipeline.Pipeline` that ends in one.

    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        Rows to audit, as `psem.transform` takes them; usually the training rows.

    y : array-like of shape (n_samples,)
        Their labels, each of a class that has prototypes.

    X_test : array-like of shape (n_test, n_features) or (n_test, ...), default=None
        Rows that should not be in X. None looks for no duplicate rows.

    min_suspicion : float, default=0.0
        Rows of a larger suspicion are listed; `-numpy.inf` ranks all rows.

    duplicate_threshold : float, default=0.1
        Largest relative distance of near-duplicate prototypes.

    Returns
    -------
    :class:`~sklearn.utils.Bunch`
        Dictionary-like object, whose lists of findings may be empty:

        suspect_rows : ndarray of shape (n_suspect,), dtype=intp
            Row numbers in X, the most suspect label first.
        suspicion : ndarray of shape (n_suspect,)
            Of these rows: the largest similarity to a prototype of another class,
            minus the largest to one of its own, outvoted prototypes left out. Any
            real number, in the unit of the similarities; larger is more suspect,
            and above 0 the row resembles another class more than its own.
        suspect_labels : ndarray of shape (n_suspect,)
            Labels of these rows in `y`.
        suggested_labels : ndarray of shape (n_suspect,)
            Classes of the prototypes of other classes they are most similar to.
        suggested_prototypes : ndarray of shape (n_suspect,), dtype=intp
            These prototypes.
        outvoted_prototypes : ndarray of shape (n_outvoted,), dtype=intp
            Prototypes activated by a larger share of the rows of another class than
            of their own.
        impure_prototypes : :class:`~sklearn.utils.Bunch`
            Prototypes whose most similar row of X belongs to another class, as
            arrays of one length: `prototype`, `prototype_class`, `row`, `row_class`.
        shadowed_prototypes : ndarray of shape (n_shadowed,), dtype=intp
            Prototypes that no row of X activates, that is, is most similar to.
        duplicate_prototypes : :class:`~sklearn.utils.Bunch`
            Pairs of prototypes of one class at a relative distance of at most
            `duplicate_threshold`, nearest first: `prototype`, `other`,
            `prototype_class`, `distance`, `relative_distance`. The scale is the
            median, over all prototypes, of the distance to the nearest prototype of
            another class (with one class: of the distances of all pairs).
        duplicate_rows : :class:`~sklearn.utils.Bunch` or None
            The rows of `X_test` that occur in X with the same content: `test_row`,
            and `row`, the first such row of X. None without `X_test`.
        frame : method
            The suspect rows as a pandas DataFrame.

    Raises
    ------
    TypeError
        If `psem` is no prototypical self-explainable model.

    ValueError
        If `y` holds a class without prototypes, or shapes do not fit.

    See Also
    --------
    sklearn_kmex.KMExClassifier : Merges duplicate prototypes with `merge_threshold`.
    ghosting_rate : Share of the shadowed prototypes.
    prototype_usage : How often each prototype is activated.

    Notes
    -----
    With s(i, k) the similarity of row i to prototype k, c(k) the class of k, and K
    the prototypes that are not outvoted,

    .. math:: \text{suspicion}_i = \max_{k \in K, c(k) \ne y_i} s(i, k)
        - \max_{k \in K, c(k) = y_i} s(i, k)

    A class that loses all its prototypes to the vote keeps them all. The vote weighs
    classes by the inverse of their size, so that rare ones are not outvoted for being
    rare. With a single class, suspicion is minus infinity.

    Too few prototypes leave the unusual rows of a class nearer to another one, which
    hides wrong labels among them. All of it is ours, not the paper's.

    It costs one `transform` of X, O(n_samples * n_prototypes) on top of it, and
    O(n_prototypes ** 2 * n_features). Duplicate rows are found by sorting a copy of
    both sets of rows, before any embedding.

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
    sem = find_sem(psem)
    reference = _compare(psem, sem, X, y)
    winners = reference.similarities.argmax(axis=1)
    outvoted = _outvoted(reference, winners)
    usage = np.bincount(winners, minlength=len(reference.owners))
    return Audit(
        **_suspects(reference, outvoted, min_suspicion),
        outvoted_prototypes=np.flatnonzero(outvoted),
        impure_prototypes=_impure(reference),
        shadowed_prototypes=np.flatnonzero(usage == 0),
        duplicate_prototypes=_near_duplicates(
            sem.prototypes_, reference, duplicate_threshold
        ),
        duplicate_rows=None if X_test is None else _duplicate_rows(X, X_test),
    )


def _compare(psem: Any, sem: Any, X: ArrayLike, y: ArrayLike) -> Reference:
    """Compare each row with each prototype, and code the labels of both."""
    labels = column_or_1d(y)
    prototype_labels = np.asarray(sem.prototype_classes_)
    classes = np.unique(prototype_labels)
    unknown = np.setdiff1d(labels, classes)
    if len(unknown):
        raise ValueError(
            "y must hold only classes that have prototypes, "
            f"{classes.tolist()}; got {unknown.tolist()} besides."
        )
    similarities = check_array(compare(psem, X), dtype=[np.float64, np.float32])
    check_consistent_length(similarities, labels)
    if similarities.shape[1] != len(prototype_labels):
        raise ValueError(
            "transform must give a similarity to each of the "
            f"{len(prototype_labels)} prototypes; got {similarities.shape[1]} columns."
        )
    codes = np.searchsorted(classes, labels)
    owners = np.searchsorted(classes, prototype_labels)
    return Reference(similarities, codes, owners, classes)


def _outvoted(reference: Reference, winners: NDArray) -> NDArray[np.bool_]:
    """Mark prototypes that attract another class more than their own."""
    _, codes, owners, classes = reference
    shape = len(owners), len(classes)
    cells = np.ravel_multi_index((winners, codes), shape)
    votes = np.bincount(cells, minlength=np.prod(shape)).reshape(shape)
    shares = votes / np.maximum(votes.sum(axis=0), 1)
    lost = shares[np.arange(len(owners)), owners] < shares.max(axis=1)
    kept = np.bincount(owners[~lost], minlength=len(classes))
    return lost & (kept[owners] > 0)


def _suspects(
    reference: Reference, outvoted: NDArray, min_suspicion: float
) -> dict[str, NDArray]:
    """Rank the rows by what speaks for another class."""
    _, codes, owners, classes = reference
    suspicion, rivals = _suspicion(reference, np.flatnonzero(~outvoted))
    ranking = np.argsort(-suspicion, kind="stable")
    rows = ranking[: np.count_nonzero(suspicion > min_suspicion)]
    return {
        "suspect_rows": rows,
        "suspicion": suspicion[rows],
        "suspect_labels": classes[codes[rows]],
        "suggested_labels": classes[owners[rivals[rows]]],
        "suggested_prototypes": rivals[rows],
    }


def _suspicion(reference: Reference, voters: NDArray) -> tuple[NDArray, NDArray]:
    """Suspicion of each row, and its most similar prototype of another class."""
    similarities, codes, owners, _ = reference
    suspicion = np.empty(len(codes), dtype=similarities.dtype)
    rivals = np.empty(len(codes), dtype=np.intp)
    for rows in gen_batches(len(codes), max(1, BLOCK_ELEMENTS // len(owners))):
        similar = similarities[rows][:, voters]
        own = codes[rows, np.newaxis] == owners[voters]
        of_others = np.where(own, -np.inf, similar)
        best = np.where(own, similar, -np.inf).max(axis=1)
        suspicion[rows] = of_others.max(axis=1) - best
        rivals[rows] = voters[of_others.argmax(axis=1)]
    return suspicion, rivals


def _impure(reference: Reference) -> Bunch:
    """List prototypes that a row of another class is most similar to."""
    similarities, codes, owners, classes = reference
    nearest = similarities.argmax(axis=0)
    best_own = np.full(len(owners), -np.inf)
    for code in range(len(classes)):
        theirs, rows = np.flatnonzero(owners == code), np.flatnonzero(codes == code)
        # Another class must win: rows of equal content may differ in label.
        best_own[theirs] = similarities[np.ix_(rows, theirs)].max(
            axis=0, initial=-np.inf
        )
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
    """List pairs within a class that are near, on the scale of the classes."""
    points = check_array(prototypes, dtype=np.float64)
    owners = reference.owners
    first, second, apart, relative = pairs_within_classes(points, owners)
    near = np.flatnonzero(relative <= threshold)
    near = near[np.argsort(relative[near], kind="stable")]
    return Bunch(
        prototype=first[near],
        other=second[near],
        prototype_class=reference.classes[owners[first[near]]],
        distance=apart[near],
        relative_distance=relative[near],
    )


def _duplicate_rows(X: ArrayLike, X_test: ArrayLike) -> Bunch:
    """List the rows of one set that the other one holds too."""
    values = _stack(X, X_test)
    n_train = values.shape[0] - _n_rows(X_test)
    _, first, inverse = np.unique(
        row_keys(canonical(values)), return_index=True, return_inverse=True
    )
    origin = first[inverse[n_train:]]  # the first row of this content, of either set
    test_rows = np.flatnonzero(origin < n_train)
    return Bunch(row=origin[test_rows], test_row=test_rows)


def _stack(*sets: Any) -> Any:
    """Put both sets of rows below each other, in a common type."""
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
    """Code the different values of each column, of whatever type."""
    columns = [np.unique(_comparable(c), return_inverse=True)[1] for c in values.T]
    return np.stack(columns, axis=1)


def _comparable(column: NDArray) -> NDArray:
    """Return a column as numbers, or else as text."""
    try:
        return column.astype(np.float64)
    except (TypeError, ValueError):
        return column.astype(str)

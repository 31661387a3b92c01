"""drift: whether new samples are like those that a model was evaluated on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from sklearn_kmex._data.samples import as_samples, len_of
from sklearn_kmex._draw.sentences import drift_lines
from sklearn_kmex._draw.terminal import paragraphs
from sklearn_kmex._model.decision import Decision, class_probabilities, decide
from sklearn_kmex._model.protocol import find_sem, of_one_state
from sklearn_kmex._model.steps import embed, embed_training, embeds_apart
from sklearn_kmex.metrics._simultaneous import (
    difference_limits,
    joint_level,
    share_limits,
)
from sklearn_kmex.utils import check_dependency

LEVEL = 0.05
N_TABLES = 2_000  # at random, of each test
N_BINS = 40  # of similarities and probabilities
N_EXAMPLES = 5
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
FEWEST = 2  # prototypes by which training samples are recognized
SEEN = 0.5  # share of prototypes shown by the row that the training set has there


class Drift(Bunch):
    """Result of `drift`, with the use of prototypes as a table."""

    def frame(self) -> Any:
        """Return the use of prototypes as a pandas DataFrame.

        Returns
        -------
        pandas.DataFrame
            Columns as in `prototypes`, one row for each prototype.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        pandas = check_dependency("pandas", caller="frame", extra="all")
        return pandas.DataFrame(dict(self.prototypes))

    def __str__(self) -> str:
        return paragraphs([drift_lines(self)])


class Use(NamedTuple):
    """How samples use a model: the prototype, its similarity, and the probability."""

    nearest: NDArray[np.intp]
    similarity: NDArray
    confidence: NDArray | None


def drift(psem: Any, X_new: Any, X_ref: Any) -> Drift:
    r"""Test whether new samples are like those that a model was evaluated on.

    Three things are compared: how often each prototype decides, the similarity to the
    nearest prototype, and the probability of the predicted class. Without drift, the
    chance that any of the three is found to differ is at most 5 %.

    Read more in the :ref:`User Guide <drift>`.

    Parameters
    ----------
    psem : estimator
        Fitted prototypical self-explainable model, as for
        :class:`~sklearn_kmex.report.SEMReport`.

    X_new : array-like of shape (n_new, n_features) or (n_new, ...)
        New samples, as `psem` takes them. Labels are not needed.

    X_ref : array-like of shape (n_ref, n_features) or (n_ref, ...)
        Samples to compare with, that the model was not fitted to: usually the test
        set. Training samples do not serve: a model is more similar to, and more certain
        of, what it was fitted to, so that any new samples differ from them.

    Returns
    -------
    :class:`~sklearn.utils.Bunch`
        Dictionary-like object:

        drifted : bool
            Whether one of the tests finds a difference, at a joint level of 5 %.
        tests : :class:`~sklearn.utils.Bunch`
            Arrays of the same length: `what`, of "usage", "similarity" and
            "probability" (if there is one); `p_value`, adjusted for the number of tests
            by the method of Holm; `differs`, whether it is at most 0.05.
        prototypes : :class:`~sklearn.utils.Bunch`
            For each prototype: `prototype`, `prototype_class`, `n_ref` and `n_new`, the
            samples it decides; `difference` of their shares, new minus reference;
            `low` and `high`, simultaneous intervals with a confidence of 95 %.
        gained, lost : ndarray, dtype=intp
            Prototypes whose interval is above or below 0, the largest change first.
        similarity, probability : :class:`~sklearn.utils.Bunch` or None
            Quantiles of both sets: `share`, `ref` and `new`.
        examples : dict of int to ndarray
            For each prototype that gained, the rows of `X_new` that it decides and is
            most similar to.
        unfamiliar : ndarray, dtype=intp
            The rows of `X_new` least similar to any prototype, the least similar first,
            if similarity differs; otherwise empty.
        frame : method
            Return `prototypes` as a pandas DataFrame.

    Raises
    ------
    TypeError
        If `psem` is not a prototypical self-explainable model.

    ValueError
        If `X_ref` has the training samples, or a set has fewer than two samples.

    See Also
    --------
    sklearn_kmex.RejectingClassifier : Rejects single samples that are unfamiliar.
    group_scores : How well the model does for groups.

    Notes
    -----
    Each test is a permutation test of a table of counts. Its two rows are the new and
    the reference samples; its columns are the prototypes, or 40 bins between quantiles
    of both sets. The table is compared with 2,000 random tables of the same margins, so
    that the level holds for any number of samples and prototypes. With
    :math:`n_j` new samples in column j, m new samples in all, and the share q_j of
    column j in both sets, the statistic is

    .. math:: \max_j \frac{|n_j - m q_j|}{\max(1, \sigma_j)}

    where :math:`\sigma_j` is the standard deviation of n_j among these tables. In the
    tests of similarity and probability, the counts and shares are those of the columns
    up to j. A change of a single prototype, or of a tail, is thus found. The p-value is
    the share of tables, the given one included, with a statistic at least as large. The
    p-values are adjusted for the number of tests [1]_. The intervals of `prototypes`
    are computed as in :func:`group_scores`.

    Samples are assumed to be independent. Several images of one patient, or rows of one
    day, are not: drift is then found too often. Use one of each.

    The tests show that samples differ, not that the model is wrong about them. This
    takes labels of some new samples.

    References
    ----------
    .. [1] S. Holm, "A simple sequentially rejective multiple test procedure",
       Scandinavian Journal of Statistics 6, 1979.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.metrics import drift
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(2, random_state=0).fit(X[::3], y[::3])
    >>> drift(psem, X[1::3], X[2::3]).drifted
    False
    >>> found = drift(psem, X[1::3] + [0.0, 0.0, 1.0, 0.0], X[2::3])
    >>> found.drifted, found.tests.what[found.tests.differs].tolist()
    (True, ['similarity', 'probability'])
    """
    psem = of_one_state(psem)
    new, ref = as_samples(X_new), as_samples(X_ref)
    for name, rows in (("X_new", new), ("X_ref", ref)):
        if len_of(rows) < 2:
            raise ValueError(
                f"{name} must have at least two samples; got {len_of(rows)}."
            )
    found, of_new = _use(psem, new)
    reference, of_ref = _use(psem, ref)
    seen = embed_training(psem, ref) is not None if embeds_apart(psem) else False
    if seen or holds_examples(of_ref):
        raise ValueError(
            "X_ref must hold samples that psem was not fitted to; these have the "
            "training samples of its prototypes, in the same rows. Any new samples "
            "would seem to drift. Pass the test set, or hold some samples out."
        )
    return compare(found, of_new, reference)


def _use(psem: Any, X: Any) -> tuple[Use, Decision]:
    Z = embed(psem, X)
    decision = decide(psem, Z)
    return use_of(decision, class_probabilities(find_sem(psem), Z)), decision


def use_of(decision: Decision, proba: NDArray | None) -> Use:
    """Return how samples use a model."""
    rows = np.arange(len(decision.predicted))
    return Use(
        decision.most_similar(np.full(decision.similarities.shape, True)),
        decision.similarities.max(axis=1),
        None if proba is None else proba[rows, decision.predicted],
    )


def holds_examples(decision: Decision) -> bool:
    """Whether samples are training samples, or the first of these, in their order.

    Rows of equal similarity, as behind trees that are sure of them, show nothing.
    """
    shown, similar = decision.training_rows, decision.similarities
    alone = np.sum(similar == similar.max(axis=0), axis=0) == 1
    known = (shown >= 0) & (shown < len(similar)) & alone
    same = np.sum((similar.argmax(axis=0) == shown)[known])
    return bool(same >= max(FEWEST, SEEN * known.sum()))


def compare(new: Use, of_new: Decision, ref: Use) -> Drift:
    """Test new samples against a reference."""
    n_prototypes = len(of_new.owners)
    n_ref = np.bincount(ref.nearest, minlength=n_prototypes)
    n_new = np.bincount(new.nearest, minlength=n_prototypes)
    found = {
        "usage": p_value(n_ref, n_new),
        "similarity": p_value(*in_bins(ref.similarity, new.similarity), in_order=True),
    }
    if new.confidence is not None and ref.confidence is not None:
        bins = in_bins(ref.confidence, new.confidence)
        found["probability"] = p_value(*bins, in_order=True)
    adjusted = holm(np.array(list(found.values())))
    differs = adjusted <= LEVEL
    changes = usage_changes(n_ref, n_new)
    order = np.argsort(-np.abs(changes.difference), kind="stable")
    gained, lost = order[changes.low[order] > 0], order[changes.high[order] < 0]
    unfamiliar = np.argsort(new.similarity, kind="stable")[:N_EXAMPLES]
    return Drift(
        drifted=bool(differs.any()),
        tests=Bunch(what=np.array(list(found)), p_value=adjusted, differs=differs),
        prototypes=Bunch(
            prototype=np.arange(n_prototypes),
            prototype_class=of_new.classes[of_new.owners],
            **changes,
        ),
        gained=gained,
        lost=lost,
        similarity=quantiles(ref.similarity, new.similarity),
        probability=quantiles(ref.confidence, new.confidence),
        examples={int(k): _decided_by(k, new, of_new) for k in gained},
        unfamiliar=unfamiliar if differs[1] else unfamiliar[:0],
    )


def in_bins(ref: NDArray, new: NDArray) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Count values between quantiles of both samples taken together."""
    inner = np.unique(
        np.quantile(np.concatenate([ref, new]), np.arange(1, N_BINS) / N_BINS)
    )
    n_bins = len(inner) + 1
    of_ref, of_new = inner.searchsorted(ref), inner.searchsorted(new)
    return np.bincount(of_ref, minlength=n_bins), np.bincount(of_new, minlength=n_bins)


def p_value(ref: NDArray, new: NDArray, in_order: bool = False) -> float:
    """Test whether two rows of counts are draws of the same shares.

    In order, shares below each edge are compared, otherwise those of each column.
    """
    total, n_new, n_ref = ref + new, int(new.sum()), int(ref.sum())
    drawn = np.random.default_rng(0).multivariate_hypergeometric(
        total, n_new, size=N_TABLES, method="marginals"
    )
    drawn = np.vstack([new, drawn])
    if in_order:
        total, drawn = np.cumsum(total), np.cumsum(drawn, axis=1)
    share = total / (n_new + n_ref)
    variance = share * (1 - share) * n_new * n_ref / (n_new + n_ref - 1)
    deviations = np.abs(drawn - n_new * share) / np.sqrt(np.maximum(variance, 1))
    statistic = deviations.max(axis=1)
    return float(np.mean(statistic >= statistic[0] - 1e-9))


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjust p-values for their number (S. Holm, 1979)."""
    order = np.argsort(p_values, kind="stable")
    steps = p_values[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def usage_changes(ref: NDArray, new: NDArray) -> Bunch:
    """Compare the shares of samples that prototypes decide, with joint intervals."""
    share = (ref + new) / (ref + new).sum()
    odds = np.sqrt(share / np.maximum(1 - share, 1e-12))
    correlation = -np.outer(odds, odds)
    np.fill_diagonal(correlation, 1)
    unknown = np.full(len(share), np.nan)
    level = joint_level(correlation, unknown, unknown)
    before, after = ref / ref.sum(), new / new.sum()
    low, high = difference_limits(
        after,
        share_limits(new, np.full(new.shape, new.sum()), level),
        before,
        share_limits(ref, np.full(ref.shape, ref.sum()), level),
    )
    return Bunch(n_ref=ref, n_new=new, difference=after - before, low=low, high=high)


def quantiles(ref: NDArray | None, new: NDArray | None) -> Bunch | None:
    """Return quantiles of both samples."""
    if ref is None or new is None:
        return None
    return Bunch(
        share=np.array(QUANTILES),
        ref=np.quantile(ref, QUANTILES),
        new=np.quantile(new, QUANTILES),
    )


def _decided_by(k: int, new: Use, of_new: Decision) -> NDArray[np.intp]:
    """Return the samples that a prototype decides, the most similar first."""
    rows = np.flatnonzero(new.nearest == k)
    order = np.argsort(-of_new.similarities[rows, k], kind="stable")
    return rows[order[:N_EXAMPLES]]

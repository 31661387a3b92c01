"""group_scores: how a model does for groups, and which groups its prototypes show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from sklearn.utils import Bunch, column_or_1d
from sklearn.utils.validation import check_consistent_length

from sklearn_kmex._compat import Interval, validate_params
from sklearn_kmex._data.samples import as_samples, len_of
from sklearn_kmex._draw.sentences import groups_lines
from sklearn_kmex._draw.terminal import paragraphs
from sklearn_kmex._fit.validation import check_weights
from sklearn_kmex._model.decision import Decision, class_probabilities, decide
from sklearn_kmex._model.labels import class_codes
from sklearn_kmex._model.protocol import find_sem, of_one_state
from sklearn_kmex._model.steps import embed
from sklearn_kmex._rejecting import accepted
from sklearn_kmex.metrics._group_estimates import Measure, estimate
from sklearn_kmex.metrics._grouping import (
    Group,
    check_same_attributes,
    check_same_index,
    make_groups,
)
from sklearn_kmex.metrics._representation import represent
from sklearn_kmex.utils import check_dependency

MEASURES = (
    "accuracy",
    "recall",
    "precision",
    "calibration",
    "refusal",
    "similarity_rank",
)


class GroupScores(Bunch):
    """Result of `group_scores`, with the scores as a table."""

    def frame(self) -> Any:
        """Return the scores of all groups as a pandas DataFrame.

        Returns
        -------
        pandas.DataFrame
            Columns as in `scores`, one row for each measure, class and group.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        pandas = check_dependency("pandas", caller="frame", extra="all")
        return pandas.DataFrame(dict(self.scores))

    def __str__(self) -> str:
        return paragraphs([groups_lines(self)])


class Outcomes(NamedTuple):
    """What the measures of groups are computed from; codes are places in `classes`."""

    decision: Decision
    codes: NDArray[np.intp]  # true classes
    confidence: NDArray | None  # probability of the predicted class
    accepted: NDArray[np.bool_] | None  # by a RejectingClassifier
    similarity: NDArray  # to the nearest prototype


@validate_params(
    {
        "min_size": [Interval(Integral, 1, None, closed="left")],
        "crossings": [Interval(Integral, 1, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def group_scores(
    psem: Any,
    X: Any,
    y: ArrayLike,
    groups: Any,
    *,
    sample_weight: ArrayLike | None = None,
    groups_train: Any = None,
    X_train: Any = None,
    y_train: ArrayLike | None = None,
    min_size: int = 30,
    crossings: int = 2,
    measures: Sequence[str] | None = None,
) -> GroupScores:
    r"""Measure how well a model does for each group, and compare it to all others.

    All intervals of values are simultaneous, with a confidence of 95 %, and so are all
    intervals of differences. If a model does equally well for all groups, the chance
    that any interval of a difference excludes 0 is therefore 5 %, however many groups
    and measures there are.

    Read more in the :ref:`User Guide <groups>`.

    Parameters
    ----------
    psem : estimator
        Fitted prototypical self-explainable model, as for
        :class:`~sklearn_kmex.report.SEMReport`.

    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        Samples, as `psem` takes them, of a set that it was not fitted to.

    y : array-like of shape (n_samples,)
        Their labels, each a class of `psem`.

    groups : frame, dict of array-like, Series or array-like
        Attributes that define groups, with a value for each sample: the columns of a
        frame, the entries of a dict, or one or several columns of an array. Missing
        values are a group of their own. They need not be columns of X. They are
        matched by position; the index of a frame or Series must not have the labels of
        that of X in another order.

    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each sample. None means equal weights. Intervals are those of the
        effective number of samples, :math:`(\sum w)^2 / \sum w^2`.

    groups_train : frame, dict of array-like, Series or array-like, default=None
        The same attributes of the training samples, in the order in which `psem` was
        fitted to them. None gives no representation.

    X_train : array-like, default=None
        The training samples. Needed with `groups_train` for the members of
        prototypes, and if `psem` does not know the training rows of its prototypes.

    y_train : array-like of shape (n_train,), default=None
        Labels of the training samples. None takes the predicted classes.

    min_size : int, default=30
        Smallest number of samples of a group. Smaller groups are listed as too small.

    crossings : int, default=2
        Largest number of attributes that are crossed: 1 for none, 2 for pairs, such as
        each sex within each age group.

    measures : sequence of str, default=None
        Measures to compute, of those in Notes. Intervals are narrower if there are
        fewer. None computes all that `psem` allows.

    Returns
    -------
    :class:`~sklearn.utils.Bunch`
        Dictionary-like object:

        scores : :class:`~sklearn.utils.Bunch`
            Arrays of the same length: `group`; `measure`; `label`, the class of recall
            and precision, otherwise None; `n_samples`, the samples counted; `value`,
            `low` and `high`; `difference`, the value minus that of all other samples,
            `difference_low` and `difference_high`. Unknown values are NaN. The first
            group is "all samples". Groups keep the order of their values: they are not
            ranked.
        groups : :class:`~sklearn.utils.Bunch`
            `group`, `n_samples` and `share`, by weight, of each group in `scores`.
        too_small : :class:`~sklearn.utils.Bunch`
            `group` and `n_samples` of groups with fewer than `min_size` samples.
        representation : :class:`~sklearn.utils.Bunch` or None
            For each group in the training samples, also small ones: `group`;
            `row_share`, its share of the training samples; `n_prototypes` and
            `prototype_share`, the prototypes whose nearest training sample belongs to
            it; `member_share`, its mean share of the members of a prototype, NaN
            without `X_train`. None without `groups_train`.
        unrepresented : list of str
            Groups in the training samples that no prototype stands for: none has its
            nearest training sample, or most of its members, in the group.
        frame : method
            Return `scores` as a pandas DataFrame.

    Raises
    ------
    TypeError
        If `psem` is not a prototypical self-explainable model.

    ValueError
        If labels are not classes of `psem`, groups do not fit the samples, an
        attribute has more than 50 values, or a measure is unknown.

    See Also
    --------
    sklearn_kmex.report.SEMReport : The same on a page, with `groups`.
    drift : Whether new samples are like those that the model was evaluated on.

    Notes
    -----
    The measures of a group are means over its samples, weighted by `sample_weight`:

    - "accuracy", "recall" and "precision" of each class, in [0, 1], 1 is best;
    - "calibration": the probability of the predicted class minus the accuracy, in
      [-1, 1], above 0 if the model is overconfident;
    - "refusal": the share of samples that a :class:`~sklearn_kmex.RejectingClassifier`
      rejects, in [0, 1]. All other measures are those of the classifier inside, on all
      samples;
    - "similarity_rank": :math:`(r_i - 1/2) / n`, with the rank r_i of the similarity of
      sample i to its nearest prototype among the n samples, in [0, 1]: 0.5 for a group
      like all others, lower if it is less similar to the prototypes. It is our own.

    Limits of shares are mid-P limits [1]_: with k successes in n trials, the lower one
    is the p for which :math:`P(K > k) + P(K = k) / 2 = \alpha / 2`, with K binomial,
    the upper one that for which :math:`P(K < k) + P(K = k) / 2 = \alpha / 2`. They also
    hold for small groups and for shares near 0 and 1. The interval of the calibration
    follows from that of the accuracy, that of the rank from Student's t. Intervals of
    differences combine the limits of both sides [2]_. The error :math:`\alpha` of the
    single intervals, the same for all, is the 5 % quantile of the smallest p-value in
    8,000 correlated draws of all estimates, because groups overlap, and measures count
    the same samples. Of more than 3,000 estimates, as with hundreds of classes, it is
    5 % divided by their number.

    The cost is that of embedding X, and :math:`O(n m^2)` for the correlation of the m
    estimates, if there are at most 3,000.

    `MetricFrame` of fairlearn computes any metric by group, with bootstrap intervals
    for one value at a time, which have no width where all samples are correct. Use it
    with `psem.predict` for metrics that are not listed here.

    References
    ----------
    .. [1] H. O. Lancaster, "Significance tests in discrete distributions", Journal of
       the American Statistical Association 56, 1961.
    .. [2] G. Y. Zou and A. Donner, "Construction of confidence limits about effect
       measures: a general approach", Statistics in Medicine 27, 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.metrics import group_scores
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(2, random_state=0).fit(X[::2], y[::2])
    >>> size = np.where(X[:, 0] > 5.8, "large", "small")
    >>> found = group_scores(psem, X[1::2], y[1::2], {"flower": size[1::2]})
    >>> found.groups.group.tolist()
    ['all samples', 'flower = large', 'flower = small']
    >>> accuracy = found.scores.measure == "accuracy"
    >>> found.scores.value[accuracy].round(2).tolist()
    [0.97, 0.94, 1.0]
    """
    check_same_index(X, y, "y")
    check_same_index(X, groups, "groups")
    check_same_index(X_train, groups_train, "groups_train", "X_train")
    psem, X = of_one_state(psem), as_samples(X)
    labels, sem = column_or_1d(y), find_sem(psem)
    check_consistent_length(np.arange(len_of(X)), labels)
    weights = np.ones(len(labels))
    if sample_weight is not None:
        weights = check_weights(sample_weight, labels)
    known = make_groups(groups, len(labels), crossings, "groups")
    wanted = _wanted(measures)
    in_training = None
    if groups_train is not None:
        check_same_attributes(groups, groups_train)
        in_training = represent(psem, groups_train, X_train, y_train, crossings)
    Z = embed(psem, X)
    decision, proba = decide(psem, Z), class_probabilities(sem, Z)
    rows = np.arange(len(labels))
    outcomes = Outcomes(
        decision,
        class_codes(decision.classes, labels, "y"),
        None if proba is None else proba[rows, decision.predicted],
        accepted(psem, Z) if "refusal" in wanted else None,
        decision.similarities.max(axis=1),
    )
    return score_groups(outcomes, known, weights, wanted, min_size, in_training)


def _wanted(measures: Sequence[str] | None) -> Sequence[str]:
    if measures is None:
        return MEASURES
    names = [measures] if isinstance(measures, str) else list(measures)
    unknown = [name for name in names if name not in MEASURES]
    if unknown or not names:
        raise ValueError(
            f"measures must be some of {', '.join(MEASURES)}; got {measures!r}."
        )
    return names


def score_groups(
    outcomes: Outcomes,
    groups: list[Group],
    weights: NDArray[np.float64],
    wanted: Sequence[str] = MEASURES,
    min_size: int = 30,
    representation: tuple[Bunch, list[str]] | None = None,
) -> GroupScores:
    """Compute the measures of groups from the outcomes of samples."""
    large = [group for group in groups if group.size >= min_size or not group.values]
    small = [group for group in groups if group not in large]
    members = np.stack([group.rows for group in large], axis=1)
    found = list(_measures(outcomes, wanted))
    if not found:
        raise ValueError(
            f"psem must allow one of the measures {', '.join(wanted)}; it has no "
            "probabilities, or is no RejectingClassifier."
        )
    names = np.array([group.name for group in large], dtype=object)
    described, unrepresented = representation or (None, [])
    return GroupScores(
        scores=_long(found, names, members, weights),
        groups=Bunch(
            group=names,
            n_samples=np.array([group.size for group in large]),
            share=members.T @ weights / weights.sum(),
        ),
        too_small=Bunch(
            group=np.array([group.name for group in small], dtype=object),
            n_samples=np.array([group.size for group in small], dtype=np.intp),
        ),
        representation=described,
        unrepresented=unrepresented,
    )


def _measures(outcomes: Outcomes, wanted: Sequence[str]) -> Iterator[Measure]:
    """Yield the measures that are wanted and known."""
    decision, codes = outcomes.decision, outcomes.codes
    everywhere = np.full(len(codes), True)
    correct = decision.predicted == codes
    rank = (rankdata(outcomes.similarity) - 0.5) / len(codes)
    of_all: dict[str, NDArray | None] = {
        "accuracy": correct,
        "calibration": outcomes.confidence,
        "refusal": None if outcomes.accepted is None else ~outcomes.accepted,
        "similarity_rank": rank,
    }
    for name in wanted:
        if name in ("recall", "precision"):
            counted = codes if name == "recall" else decision.predicted
            for code, label in enumerate(decision.classes.tolist()):
                hits = correct.astype(np.float64)
                yield Measure(name, label, "share", hits, counted == code)
            continue
        values = of_all[name]
        if values is None:
            continue
        found = values.astype(np.float64)
        if name == "calibration":
            yield Measure(name, None, "gap", found - correct, everywhere, found)
        else:
            kind = "mean" if name == "similarity_rank" else "share"
            yield Measure(name, None, kind, found, everywhere)


def _long(
    measures: list[Measure], names: NDArray, members: NDArray, weights: NDArray
) -> Bunch:
    """Estimate measures in groups, as columns with one row for each pair."""
    found = estimate(measures, members, weights)
    n_groups = len(names)
    columns = {
        "n_samples": found.n_samples,
        "value": found.mean,
        "low": found.limits.low,
        "high": found.limits.high,
        "difference": found.difference,
        "difference_low": found.difference_limits.low,
        "difference_high": found.difference_limits.high,
    }
    labels = np.empty(len(measures) * n_groups, dtype=object)
    labels[:] = [one.label for one in measures for _ in range(n_groups)]
    return Bunch(
        group=np.tile(names, len(measures)),
        measure=np.repeat([one.name for one in measures], n_groups),
        label=labels,
        **{name: column.T.ravel() for name, column in columns.items()},
    )

"""influence: the training rows that support decisions, and those that oppose them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_kmex._compat import Interval, validate_params
from sklearn_kmex._data.arrays import batches
from sklearn_kmex._data.samples import as_samples, chunk_rows, len_of, numbered, take
from sklearn_kmex._fit.validation import check_weights
from sklearn_kmex._model.decision import decide
from sklearn_kmex._model.members import (
    Members,
    check_spread,
    codes_of,
    members_of,
    spread_of,
)
from sklearn_kmex._model.protocol import of_one_state
from sklearn_kmex._model.steps import embed, embed_training, embeds_apart, find_kmex
from sklearn_kmex.exceptions import KMExWarning
from sklearn_kmex.explain._influential_rows import Influence
from sklearn_kmex.explain._removal import (
    Decided,
    Training,
    decided,
    effects_of_rows,
    training_of,
)

BLOCK_SAMPLES, MOST_ROWS = 1_024, 4_096
SAME_WEIGHT = 1e-6  # share of the weight in `fit`, for rounding
UNLIKE = 0.05  # share of the squared distances in `fit`; those of streams are near
# Without a supporting row the margin is smaller.
SIGNS = {"supporting": 1, "opposing": -1}


@validate_params(
    {
        "n_rows": [Interval(Integral, 1, None, closed="left")],
        "keep_effects": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def influence(
    psem: Any,
    X: ArrayLike,
    X_train: Any,
    y_train: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    n_rows: int = 5,
    keep_effects: bool = False,
) -> Influence:
    r"""Find the training rows that support each decision, and those that oppose it.

    The effect of a training row is how the margin of a sample would change if the model
    had been fitted without this row: if the prototype to which the row belongs were the
    mean of its other members. It is exact as long as no other row moves to another
    prototype, and costs one product of samples and training rows.

    Read more in the :ref:`User Guide <influence>`.

    Parameters
    ----------
    psem : estimator
        Fitted `KMExClassifier` whose prototypes are means (`prototype="centroid"`), or
        a `Pipeline` that ends in one, a fitted search, `FrozenEstimator` or
        `RejectingClassifier` around one.

    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        Samples whose decisions are explained, as `psem` takes them.

    X_train : array-like, frame, list or Dataset
        Rows that `psem` was fitted on, or some of them. Each is embedded once. Behind
        a forest that embeds its own rows by the trees that do not know them
        (:ref:`embedding_trees`), pass all rows, in their order.

    y_train : array-like of shape (n_train,)
        Their labels in `fit`. If prototypes have been moved to another class since,
        rows that belong to them must have the label of this class.

    sample_weight : array-like of shape (n_train,), default=None
        Their weights in `fit`. None is 1 for all rows.

    n_rows : int, default=5
        Largest number of supporting, and of opposing, rows of each sample.

    keep_effects : bool, default=False
        Whether to keep the effect of each training row on each sample, as `effects`.
        They take 8 bytes each.

    Returns
    -------
    Influence
        The rows of the largest effects, and these effects.

    Raises
    ------
    TypeError
        If there is no `KMExClassifier` in `psem`.

    ValueError
        If the prototypes of `psem` are medoids, a label is not a class of `psem`,
        shapes do not fit, or the rows of a class are farther from the prototypes than
        in `fit`.

    Warns
    -----
    KMExWarning
        If rows cannot be embedded as in `fit`, because they are not all rows of a
        forest, in their order, or if all rows are not as far from the prototypes as in
        `fit`, for example without their weights. Effects are then rough.

    See Also
    --------
    explain : The prototypes that a sample is similar to.
    sklearn_kmex.edit.forget_rows : The model without some training rows.

    Notes
    -----
    A training row x of weight w belongs to the nearest prototype p of its class. With
    the weight n and the mean m of the members of p, the prototype moves without x to

    .. math:: p' = p + \frac{w}{n - w} (m - x)

    This is the mean of the other members where p is the mean of all, as k-means leaves
    it when it has converged. A prototype with no other member is dropped. The model
    keeps m and n, so that `X_train` may be a part of the training set, and so that
    streams and edited models are treated in the same way. Weights of prototypes follow
    `priors`. The temperature, and the covariance of a Mahalanobis metric, are held
    fixed, as is the encoder, even if it was trained on the same rows.

    The margin is the score of the predicted class minus the best score of another
    class, as in :class:`Explanation`. With `aggregation="max"`, most rows have no
    effect: only members of the prototypes that decide have one. An effect is infinite
    if a class would have no prototype left. Each of several equal rows has an effect of
    its own, that of removing this row alone.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.explain import influence
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(n_prototypes=2, random_state=0).fit(X, y)
    >>> found = influence(psem, X[70:71], X, y, n_rows=3)
    >>> found.predictions, found.runner_up
    (array([1]), array([2]))
    >>> found.supporting_rows.shape, bool((found.supporting_effects < 0).all())
    ((1, 3), True)
    """
    psem = of_one_state(psem)
    sem, X_train = find_kmex(psem), as_samples(X_train)
    _check_means(sem)
    codes = codes_of(sem, y_train, len_of(X_train), "y_train")
    weights = check_weights(sample_weight, codes)
    Z = embed(psem, as_samples(X))
    found, rows = decide(sem, Z), sem._check_input(Z, "influence")
    samples = [
        decided(sem, rows[part], found.predicted[part])
        for part in batches(rows.shape[0], BLOCK_SAMPLES)
    ]
    ranking = Ranking(rows.shape[0], n_rows)
    kept = np.zeros((rows.shape[0], len(codes))) if keep_effects else None
    for numbers, members in _members(psem, sem, X_train, codes, weights):
        effects = _effects(samples, training_of(sem), members)
        ranking.add(numbers, members.owners, effects)
        if kept is not None:
            kept[:, numbers] = effects
    return Influence(
        sample_indices=np.arange(len(found.predicted)),
        predictions=found.classes[found.predicted],
        runner_up=found.classes[found.runner_up],
        margin=np.concatenate([part.margin for part in samples]),
        prototype_classes=sem.prototype_classes_,
        effects=kept,
        **ranking.fields(),
    )


def _check_means(sem: Any) -> None:
    """Refuse a model of medoids."""
    if sem.prototype == "medoid":
        raise ValueError(
            "psem must have prototypes that are means of training rows; it was fitted "
            "with prototype='medoid', and other rows than the medoids do not move "
            "these. Fit it with prototype='centroid'."
        )


def _members(
    psem: Any, sem: Any, X_train: Any, codes: NDArray[np.intp], weights: NDArray
) -> Iterator[tuple[NDArray[np.intp], Members]]:
    """Yield numbers of training rows, and the prototypes that they belong to."""
    spread, apart = np.zeros(len(sem.classes_)), embeds_apart(psem)
    known = embed_training(psem, X_train) if apart else None
    if known is not None:
        psem, X_train = sem, known
    elif apart:
        _warn_of_forest(len(codes))
    size = min(chunk_rows(X_train), MOST_ROWS)
    for part in batches(len(codes), size):
        numbers = np.arange(len(codes))[part]
        with numbered(numbers.tolist()):
            Z = embed(psem, take(X_train, numbers))
        members = members_of(sem, Z, codes[part], weights[part])
        spread += spread_of(sem, members)
        yield numbers, members
    if known is not None or not apart:
        check_spread(sem, spread, "X_train")
        _warn_if_unlike(sem, spread, weights)


def _warn_if_unlike(
    sem: Any, spread: NDArray[np.float64], weights: NDArray[np.float64]
) -> None:
    """Warn if all training rows are not as heavy, or as far away, as in `fit`."""
    if len(weights) != sem.n_samples_seen_ or getattr(sem, "edit_log_", None):
        return
    found = np.array([weights.sum(), spread.sum()])
    known = np.array([sem.prototype_counts_.sum(), sem.inertia_.sum()])
    if (np.abs(found - known) > known * (SAME_WEIGHT, UNLIKE)).any():
        warnings.warn(
            "X_train has as many rows as psem was fitted to, but their weights sum to "
            f"{found[0]:.4g} (in fit: {known[0]:.4g}), and their squared distances "
            f"from prototypes to {found[1]:.4g} (in fit: {known[1]:.4g}): effects are "
            "rough. Check y_train and sample_weight, or whether a step transforms the "
            "rows of fit otherwise than others, as TargetEncoder does.",
            KMExWarning,
            stacklevel=5,
        )


def _warn_of_forest(n_rows: int) -> None:
    warnings.warn(
        f"X_train has {n_rows} rows that are not those of the forest, all of them in "
        "their order: the trees that do not know a row, which embedded it in fit, are "
        "unknown. All trees embed it here, and effects are rough. Pass all training "
        "rows, or embed them by TreeEmbedder(forest, out_of_bag=False) in fit.",
        KMExWarning,
        stacklevel=4,
    )


def _effects(
    samples: list[Decided], training: Training, members: Members
) -> NDArray[np.float64]:
    return np.concatenate(
        [effects_of_rows(some, training, members) for some in samples]
    )


class Ranking:
    """Rows of the most negative and of the most positive effects on each sample."""

    def __init__(self, n_samples: int, n_rows: int) -> None:
        shape = (n_samples, n_rows)
        self._n_rows = n_rows
        self._best: dict[str, list[NDArray]] = {
            side: [np.full(shape, np.inf), np.full(shape, -1), np.full(shape, -1)]
            for side in SIGNS
        }

    def add(self, numbers: NDArray, owners: NDArray, effects: NDArray) -> None:
        """Rank some more rows, whose effects have the shape (n_samples, n_rows)."""
        for side, sign in SIGNS.items():
            signed = np.where(sign * effects < 0, sign * effects, np.inf)
            n = min(self._n_rows, signed.shape[1])
            some = np.sort(np.argpartition(signed, n - 1, axis=1)[:, :n], axis=1)
            new = np.take_along_axis(signed, some, axis=1), numbers[some], owners[some]
            pairs = zip(self._best[side], new, strict=True)
            both = [np.concatenate(pair, axis=1) for pair in pairs]
            order = np.argsort(both[0], axis=1, kind="stable")[:, : self._n_rows]
            self._best[side] = [np.take_along_axis(one, order, axis=1) for one in both]

    def fields(self) -> dict[str, NDArray]:
        """Return the fields of an `Influence`; rows without an effect are -1."""
        found = {}
        for side, (signed, rows, owners) in self._best.items():
            none = np.isposinf(signed)
            found[f"{side}_rows"] = np.where(none, -1, rows)
            found[f"{side}_prototypes"] = np.where(none, -1, owners)
            found[f"{side}_effects"] = np.where(none, np.nan, SIGNS[side] * signed)
        return found

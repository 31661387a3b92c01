"""RejectingClassifier: a classifier that rejects the rows it is least certain of."""

from __future__ import annotations

import copy
from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, MetaEstimatorMixin
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import Tags, get_tags
from sklearn.utils.metadata_routing import MetadataRouter
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklearn_kmex._base import KMExBaseEstimator, new_state, of_one_fit
from sklearn_kmex._compat import HasMethods, Interval, StrOptions, _fit_context
from sklearn_kmex._data.brief import brief
from sklearn_kmex._fit.held_out import check_targets, hold_out, predict_and_score
from sklearn_kmex._fit.metadata import routed_params, router_of
from sklearn_kmex._model.labels import class_codes, kind_of
from sklearn_kmex._model.protocol import find_sem, levels


def _estimator_has(name: str) -> Callable[[Any], bool]:
    """Return a check of whether the wrapped classifier has a method."""

    def check(rejecting: Any) -> bool:
        return hasattr(getattr(rejecting, "estimator_", rejecting.estimator), name)

    return check


class RejectingClassifier(ClassifierMixin, MetaEstimatorMixin, KMExBaseEstimator):
    """Classifier that rejects the rows it is least certain of.

    A row is compared with held-out rows of the same predicted class. It is rejected if
    its similarity to the nearest prototype, or its probability, is below a quantile of
    theirs. Of new rows from the same distribution, at most this share is rejected.

    Read more in the :ref:`User Guide <refuse>`.

    Parameters
    ----------
    estimator : classifier
        Classifier with `score_samples`, such as a `KMExClassifier` or a
        :class:`~sklearn.pipeline.Pipeline` that ends in one; with
        `method="probability"`, any with `predict_proba`. A fitted classifier in a
        :class:`~sklearn.frozen.FrozenEstimator` is not fitted again; the rows given to
        `fit` are then the held-out rows.

    quantile : float in (0, 1), default=0.1
        Largest share of the held-out rows that is rejected.

    method : {"similarity", "probability"}, default="similarity"
        Score of a row. "similarity" is `score_samples`, the similarity to the nearest
        prototype, which is small for rows unlike all training rows. "probability" is
        the largest of `predict_proba`, which is small for rows between two classes,
        where most errors are.

    per_class : bool, default=True
        Whether the same share of each predicted class is rejected, or of all rows.

    cv : int, cross-validation generator or iterable, default=None
        Folds that give the held-out rows, as in
        :func:`~sklearn.model_selection.check_cv`; not used with a `FrozenEstimator`.
        None is 5 stratified folds. Row numbers are those of X; `fit` takes the
        `groups` of a splitter of groups.

    reject_label : int, float or str, default=None
        Label that `predict` returns for rejected rows, of the type of the classes but
        none of them. None returns the predicted class of all rows.

    Attributes
    ----------
    estimator_ : classifier
        The classifier, fitted on all rows, or the frozen one.

    classes_ : ndarray of shape (n_classes,)
        Class labels.

    thresholds_ : ndarray of shape (n_classes,), dtype=float64
        Score below which a row is rejected, for each predicted class; minus infinity
        for a class with fewer than `1 / quantile - 1` held-out rows, counted by weight.

    calibration_scores_ : list of n_classes ndarrays
        Scores of the held-out rows of each predicted class, ascending; of all held-out
        rows if `per_class` is False.

    calibration_weights_ : list of n_classes ndarrays, dtype=float64
        Weights of these rows, all 1 where none were given.

    n_features_in_ : int
        Number of features seen during fit, if the classifier has it.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if the classifier has them.

    See Also
    --------
    sklearn_kmex.inspection.CoverageDisplay : Accuracy against coverage.
    sklearn_kmex.metrics.coverage_curve : The same, in numbers.
    sklearn.model_selection.FixedThresholdClassifier : Another decision threshold.

    Notes
    -----
    It is a meta-estimator, as `FixedThresholdClassifier` and `CalibratedClassifierCV`
    in scikit-learn: the thresholds need rows that the classifier was not fitted on. A
    `Pipeline` or a search can be inside it or around it.

    `typicality` is a conformal p-value [1]_ within the predicted class. Of rows from
    the distribution of the held-out rows, at most the share `quantile` is rejected, in
    each predicted class if `per_class`. This is exact with a frozen classifier, and
    approximate with folds, whose classifiers were fitted to fewer rows.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman and G. Shafer, "Algorithmic Learning in a Random
       World", 2005, chapter 2 and, for categories of rows, section 4.5.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier, RejectingClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(2, random_state=0)
    >>> careful = RejectingClassifier(psem, quantile=0.05, reject_label=-1).fit(X, y)
    >>> careful.predict([[5.0, 3.4, 1.5, 0.2], [50.0, 34.0, 15.0, 2.0]])
    array([ 0, -1])
    >>> bool(careful.accept(X).mean() >= 0.93)
    True
    """

    _decides_by = "estimator_"  # attribute with the fitted model inside
    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "quantile": [Interval(Real, 0, 1, closed="neither")],
        "method": [StrOptions({"similarity", "probability"})],
        "per_class": ["boolean"],
        "cv": ["cv_object"],
        "reject_label": [Real, str, None],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        quantile: float = 0.1,
        method: Literal["similarity", "probability"] = "similarity",
        per_class: bool = True,
        cv: int | BaseCrossValidator | None = None,
        reject_label: float | str | None = None,
    ) -> None:
        self.estimator = estimator
        self.quantile = quantile
        self.method = method
        self.per_class = per_class
        self.cv = cv
        self.reject_label = reject_label

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        **params: Any,
    ) -> Self:
        """Fit the classifier, and compute the thresholds from held-out rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Training rows; held-out rows if the classifier is frozen.

        y : array-like of shape (n_samples,)
            Class labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, for the classifier or the last step of a `Pipeline`,
            and for the quantiles. None is 1 for all rows. Rows of weight 0 are in no
            fold.

        **params : dict of str to array-like of shape (n_samples,)
            `groups`, the group of each row, for a `cv` such as
            :class:`~sklearn.model_selection.GroupKFold`; others are passed to `fit` of
            the classifier. With metadata routing, they go where they are requested.

        Returns
        -------
        RejectingClassifier
            The fitted classifier.

        Raises
        ------
        TypeError
            If the classifier has no scores for `method`.

        ValueError
            If an input or a parameter cannot be used.
        """
        with new_state(self) as new:
            X, y, weights = check_targets(new, X, y, sample_weight)
            metadata = routed_params(self, params)
            given = (self.estimator, X, y, weights)
            new.estimator_, *known = hold_out(*given, self.cv, self.method, metadata)
            new.classes_ = np.asarray(new.estimator_.classes_)
            _check_reject_label(self.reject_label, new.classes_)
            new._calibrate(*known)
            for name in ("n_features_in_", "feature_names_in_"):
                if hasattr(new.estimator_, name):
                    setattr(new, name, getattr(new.estimator_, name))
        return self

    def _calibrate(self, predicted: NDArray, scores: NDArray, weights: NDArray) -> None:
        order = np.argsort(scores, kind="stable")
        own = [
            order[predicted[order] == label] if self.per_class else order
            for label in self.classes_
        ]
        self.calibration_scores_ = [scores[rows] for rows in own]
        self.calibration_weights_ = [weights[rows] for rows in own]
        self.thresholds_ = np.array(
            [threshold(scores[rows], weights[rows], self.quantile) for rows in own]
        )

    @of_one_fit
    def predict(self, X: Any) -> NDArray:
        """Predict classes, and the `reject_label` for rejected rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows to classify.

        Returns
        -------
        ndarray of shape (n_samples,)
            Class labels.
        """
        labels, scores, codes = self._predict_and_score(X)
        if self.reject_label is None:
            return labels
        accepted = scores >= self.thresholds_[codes]
        return np.where(accepted, labels, np.asarray(self.reject_label))

    @of_one_fit
    def accept(self, X: Any) -> NDArray[np.bool_]:
        """Return which rows are accepted.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows to score.

        Returns
        -------
        ndarray of shape (n_samples,), dtype=bool
            False for rejected rows.
        """
        _, scores, codes = self._predict_and_score(X)
        return scores >= self.thresholds_[codes]

    @of_one_fit
    def typicality(self, X: Any) -> NDArray[np.float64]:
        """Compute the share of held-out rows whose score is at most that of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows to score.

        Returns
        -------
        ndarray of shape (n_samples,), dtype=float64
            Share of the held-out rows of the predicted class whose score is at most
            that of the row, in (0, 1]; low for a row unlike them. Rows count by weight,
            and the row itself counts as one more with weight 1.
        """
        _, scores, codes = self._predict_and_score(X)
        found = np.empty(len(scores))
        for code in np.unique(codes):
            known, own = self.calibration_scores_[code], codes == code
            mass = np.cumsum([0, *self.calibration_weights_[code]])
            less = mass[np.searchsorted(known, scores[own], side="right")]
            found[own] = (less + 1) / (mass[-1] + 1)
        return found

    @available_if(_estimator_has("predict_proba"))
    def predict_proba(self, X: Any) -> NDArray:
        """Return the class probabilities of the classifier.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows to classify.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities, in [0, 1].
        """
        check_is_fitted(self)
        return self.estimator_.predict_proba(X)

    @available_if(_estimator_has("decision_function"))
    def decision_function(self, X: Any) -> NDArray:
        """Return the class scores of the classifier.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows to score.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes
            Class scores.
        """
        check_is_fitted(self)
        return self.estimator_.decision_function(X)

    def _predict_and_score(self, X: Any) -> tuple[NDArray, NDArray, NDArray[np.intp]]:
        """Return labels, scores, and the indices of the labels in `classes_`."""
        check_is_fitted(self)
        labels, scores = predict_and_score(self.estimator_, X, self.method)
        return labels, scores, class_codes(self.classes_, labels, "predicted labels")

    def get_metadata_routing(self) -> MetadataRouter:
        """Return what `fit` takes: weights, and requests of the classifier and `cv`.

        Returns
        -------
        MetadataRouter
            Metadata of the classifier itself, of the one inside it and of `cv`.
        """
        return router_of(self, estimator=self.estimator)

    def __sklearn_tags__(self) -> Tags:
        tags, inner = super().__sklearn_tags__(), get_tags(self.estimator)
        tags.input_tags = inner.input_tags
        if inner.classifier_tags is not None:
            tags.classifier_tags = inner.classifier_tags
        return tags


def accepted(psem: Any, Z: Any) -> NDArray[np.bool_] | None:
    """Mark the embeddings that a RejectingClassifier accepts, if psem has one."""
    inside = _of_embeddings(psem)
    return None if inside is None else inside.accept(Z)


def held_out_typicality(psem: Any, Z: Any) -> NDArray[np.float64] | None:
    """Compare embeddings with the held-out rows of their class, if psem keeps any."""
    inside = _of_embeddings(psem)
    if inside is None or held_out_scores(psem) is None:
        return None
    return inside.typicality(Z)


def held_out_scores(psem: Any) -> list[NDArray] | None:
    """Return the similarities of the held-out rows of each class, if psem keeps any."""
    inside = _of_embeddings(psem)
    if inside is None or inside.method != "similarity" or not inside.per_class:
        return None
    return inside.calibration_scores_


def _of_embeddings(psem: Any) -> RejectingClassifier | None:
    """Return the RejectingClassifier in a model, if any; the copy takes embeddings."""
    for level in levels(psem):
        if isinstance(level, RejectingClassifier):
            inside = copy.copy(level)
            inside.estimator_ = find_sem(psem)
            return inside
    return None


def threshold(known: NDArray, weights: NDArray, quantile: float) -> float:
    """Return the score below which the typicality is at most the quantile."""
    most = quantile * (np.sum(weights) + 1) - 1
    if most < 0:
        return -np.inf
    return float(known[np.searchsorted(np.cumsum(weights), most, side="right")])


def _check_reject_label(label: Any, classes: NDArray) -> None:
    """Raise an error for a label that is a class, or of another type."""
    if label is None:
        return
    kinds = kind_of(np.asarray([label])) + kind_of(classes)
    known = label in classes.tolist() or label != label  # nan is no label
    if kinds not in ("ii", "ff", "if", "UU") or known:
        raise ValueError(
            "reject_label must be of the type of the classes, but not one of them, "
            f"{brief(classes)}; got {label!r}."
        )

"""Labels, scores, probabilities and nearest prototypes from fitted prototypes."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, TransformerMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import Tags, assert_all_finite
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_kmex._base import KMExBaseEstimator, of_one_fit
from sklearn_kmex._compat import (
    _check_feature_names_in,
    check_same_namespace,
    get_namespace_and_device,
)
from sklearn_kmex._data.arrays import kept_dtypes, to_numpy
from sklearn_kmex._data.chunked import chunkwise, in_memory, is_dask
from sklearn_kmex._model.answers import (
    Answer,
    all_similarities,
    answer_rows,
    class_probabilities,
    class_scores,
    nearest,
    winners_of_rows,
)
from sklearn_kmex._model.metric import Metric
from sklearn_kmex._model.rule import rule_of
from sklearn_kmex._model.similarity import log_probabilities, rounded


class PrototypePredictor(ClassifierMixin, TransformerMixin, KMExBaseEstimator):
    """Classifies by the similarity to `prototypes_`, which are grouped by class.

    A subclass has the attributes that `rule_of` reads, and `n_prototypes_`.
    """

    @of_one_fit
    @chunkwise
    def predict(self, X: ArrayLike) -> NDArray:
        """Predict the class of the largest score.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to classify.

        Returns
        -------
        ndarray of shape (n_samples,)
            Class labels.
        """
        rows = self._check_input(X, "predict", ensure_all_finite=False)
        winners = winners_of_rows(rows, rule_of(self), self._check_finite)
        if isinstance(self.classes_, np.ndarray):  # labels need not be numbers
            winners = to_numpy(winners)
        return self.classes_[winners]

    @of_one_fit
    @chunkwise
    def decision_function(self, X: ArrayLike) -> NDArray:
        """Score each class by the similarities to its prototypes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes
            Class scores before division by the temperature; for two classes, the
            score of `classes_[1]` minus that of `classes_[0]`.
        """
        (scores,) = self._answer(X, "decision_function", class_scores)
        if scores.shape[1] > 2:
            return scores
        with np.errstate(over="ignore"):
            return scores[:, 1] - scores[:, 0]

    @of_one_fit
    @chunkwise
    def predict_proba(self, X: ArrayLike) -> NDArray:
        """Estimate class probabilities: the softmax of class scores over temperature.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to classify.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities, in [0, 1]; the predicted class has the largest.
        """
        (found,) = self._answer(X, "predict_proba", class_probabilities)
        return found

    @of_one_fit
    @chunkwise
    def predict_log_proba(self, X: ArrayLike) -> NDArray:
        """Estimate logarithms of class probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to classify.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Natural logarithms of the probabilities, at most 0.
        """
        rows, rule = self._check_input(X, "predict_log_proba"), rule_of(self)
        found = log_probabilities(rule.scores(rows), rule.temperature)
        found = rounded(found, rows.dtype)
        xp, *_ = get_namespace_and_device(found)
        return xp.where(xp.exp(found) == 1, xp.zeros_like(found), found)

    @of_one_fit
    @chunkwise
    def transform(self, X: ArrayLike) -> NDArray:
        """Compute the similarity of each row to each prototype.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to compare.

        Returns
        -------
        ndarray of shape (n_samples, n_prototypes_total)
            Similarities, larger is more similar, in the dtype of X.
        """
        (found,) = self._answer(X, "transform", all_similarities)
        return found

    @of_one_fit
    def nearest_prototypes(
        self, X: ArrayLike, n: int = 1
    ) -> tuple[NDArray, NDArray[np.intp]]:
        """Find the most similar prototypes of each row.

        If prototypes have unequal weights, or with `aggregation="sum"`, the first one
        may belong to another class than the predicted one.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to compare.

        n : int, default=1
            Number of prototypes for each row.

        Returns
        -------
        similarities : ndarray of shape (n_samples, n)
            Similarities, in descending order.

        prototypes : ndarray of shape (n_samples, n), dtype=intp
            Indices into `prototypes_`; for equal similarities, the smaller comes first.

        Raises
        ------
        ValueError
            If `n` is not between 1 and the number of prototypes.
        """
        check_is_fitted(self)
        n_prototypes = self.prototypes_.shape[0]
        if not isinstance(n, int | np.integer) or not 1 <= n <= n_prototypes:
            raise ValueError(
                f"n must be an int between 1 and the number of prototypes, "
                f"{n_prototypes}; got {n!r}."
            )
        similar, ids = self._answer(X, "nearest_prototypes", partial(nearest, n=n))
        return similar, ids

    @of_one_fit
    @chunkwise
    def score_samples(self, X: ArrayLike) -> NDArray:
        """Compute the largest similarity of each row to any prototype.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to compare.

        Returns
        -------
        ndarray of shape (n_samples,)
            Similarity to the nearest prototype. A low value means that no training
            row is similar.
        """
        return self.nearest_prototypes(X)[0][:, 0]

    def score(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Compute the accuracy of the predicted classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to classify.

        y : array-like of shape (n_samples,)
            True class labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row. None is 1 for all rows.

        Returns
        -------
        float
            Share of the rows that are correctly classified, in [0, 1].
        """
        if not is_dask(X):
            return super().score(X, y, sample_weight)
        parts = (y, self.predict(X), sample_weight)
        true, predicted, weights = map(in_memory, parts)
        return float(accuracy_score(true, predicted, sample_weight=weights))

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray:
        """Name the columns of `transform`: "<class>_prototype_<number in class>".

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names to compare with those seen in fit; not used otherwise.

        Returns
        -------
        ndarray of shape (n_prototypes_total,), dtype=object
            Names, in the order of `prototypes_`.
        """
        check_is_fitted(self)
        _check_feature_names_in(self, input_features)
        counts = to_numpy(self.n_prototypes_)
        return np.array(
            [
                f"{label}_prototype_{j}"
                for label, count in zip(to_numpy(self.classes_), counts, strict=True)
                for j in range(count)
            ],
            dtype=object,
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "temperature_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        metric = Metric(getattr(self, "metric", "euclidean"))
        tags.input_tags.sparse = not metric.mapped
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _check_input(
        self, X: ArrayLike, method: str, ensure_all_finite: bool = True
    ) -> Any:
        check_is_fitted(self)
        self._check_namespace(X, method)
        return validate_data(
            self,
            X,
            accept_sparse="csr",
            dtype=kept_dtypes(X),
            reset=False,
            ensure_all_finite=ensure_all_finite,
        )

    def _check_namespace(self, X: Any, method: str) -> None:
        """Raise an error for arrays of another library or device than in fit."""
        check_same_namespace(X, self, attribute="prototypes_", method=method)

    def _answer(self, X: Any, method: str, answer: Answer) -> list[Any]:
        """Return the results of an answer about all rows."""
        rows = self._check_input(X, method, ensure_all_finite=False)
        return answer_rows(rows, rule_of(self), answer, self._check_finite)

    def _check_finite(self, X: Any) -> None:
        name = type(self).__name__
        assert_all_finite(X, estimator_name=name, input_name="X")

"""ScoreEmbedder: embed rows by the scores that a classifier gives the classes."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, softmax
from sklearn.base import BaseEstimator
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.linear_model import LogisticRegression
from sklearn.utils import Tags, get_tags
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_kmex._compat import HasMethods
from sklearn_kmex._data.arrays import dense
from sklearn_kmex.embedding._attribution import Attribution
from sklearn_kmex.embedding._base import BaseEmbedder
from sklearn_kmex.embedding._dense_layers import (
    SOFTMAX,
    DenseLayers,
    attribute_layers,
)
from sklearn_kmex.embedding._pipeline import predicted_columns
from sklearn_kmex.embedding._reference import evenly_spaced

# Classifiers whose decision_function is the logarithm of the odds.
LOG_ODDS = (
    LinearDiscriminantAnalysis,
    LogisticRegression,
    QuadraticDiscriminantAnalysis,
)
LEAST = 0.01  # smallest probability of two that is told from 0


class ScoreEmbedder(BaseEmbedder):
    """Embed rows by the scores that a fitted classifier gives the classes.

    For classifiers without layers or trees, such as support vector machines, logistic
    regression, nearest neighbors or naive Bayes. Rows are near each other if the
    classifier says the same of them. The classifier stays unchanged, and `clone` shares
    it.

    Read more in the :ref:`User Guide <embedding_scores>`.

    Parameters
    ----------
    classifier : classifier
        The fitted classifier, with `decision_function` or `predict_proba`.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns seen during fit, if X has two axes.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns seen during fit, if all of them are strings.

    reference_ : ndarray of shape (n_rows, `n_features_in_`)
        For a linear classifier, up to 32 rows of those seen during fit, from which
        :func:`~sklearn_kmex.explain.contrast` measures the contributions of columns, as
        for :class:`MLPEmbedder`.

    See Also
    --------
    TreeEmbedder : Embeds rows by the leaves of an ensemble of trees.
    MLPEmbedder : Embeds rows by a hidden layer of a network of scikit-learn.
    sklearn_kmex.make_kmex : Makes a pipeline of an embedder and a `KMExClassifier`.

    Notes
    -----
    For two classes there is one column: the `decision_function`, or, without one, the
    logarithm of the odds of the second class, of probabilities clipped to
    [0.01, 0.99]. For more classes there is a column for each, in [0, 1]: the softmax of
    the `decision_function`, or, without one, the probability. A `decision_function`
    with another number of columns, as one for pairs of classes, is taken as it is.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import SVC
    >>> from sklearn_kmex.embedding import ScoreEmbedder
    >>> X, y = load_iris(return_X_y=True)
    >>> ScoreEmbedder(SVC().fit(X, y)).transform(X).shape
    (150, 3)
    """

    _memorizes = True
    _parameter_constraints: ClassVar[dict] = {
        "classifier": [
            HasMethods(["predict", "decision_function"]),
            HasMethods(["predict", "predict_proba"]),
        ]
    }

    def __init__(self, classifier: BaseEstimator) -> None:
        self.classifier = classifier

    def get_feature_names_out(self, input_features: Any = None) -> NDArray:
        """Name the columns of the embedding by the classes whose scores they are.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Ignored.

        Returns
        -------
        ndarray of shape (n_features_out,), dtype=object
            "score of" and the label: of the second of two classes, or of each class.
            Scores for pairs of classes have numbers.
        """
        numbered = super().get_feature_names_out(input_features)
        labels = self.classifier.classes_
        scored = labels[1:] if len(labels) == 2 else labels
        if len(scored) != len(numbered):
            return numbered
        return np.array([f"score of {label}" for label in scored], dtype=object)

    def _check_input(self, X: Any, reset: bool) -> Any:
        """Check rows of numbers; the classifier itself checks frames and objects."""
        if hasattr(X, "columns"):
            if reset or hasattr(self, "n_features_in_"):
                validate_data(self, X, skip_check_array=True, reset=reset)
            return X
        kind = getattr(X, "dtype", None) or np.asarray(X).dtype
        return X if kind.kind in "OUS" else super()._check_input(X, reset)

    def _embed(self, X: Any) -> NDArray:
        check_is_fitted(self.classifier)
        n_classes = len(self.classifier.classes_)
        if hasattr(self.classifier, "decision_function"):
            scores = np.asarray(self.classifier.decision_function(X))
            scores = scores.reshape(len(scores), -1)
            is_by_class = n_classes > 2 and scores.shape[1] == n_classes
            return softmax(scores, axis=1) if is_by_class else scores
        chances = np.asarray(self.classifier.predict_proba(X))
        if n_classes > 2:
            return chances
        return logit(np.clip(chances[:, 1:], LEAST, 1 - LEAST))

    def _linear(self, X: Any) -> tuple[Any, DenseLayers] | None:
        """Return rows as numbers and the layer of a linear classifier, if it is one."""
        coefficients = getattr(self.classifier, "coef_", None)
        if coefficients is None or not hasattr(self.classifier, "decision_function"):
            return None
        X = validate_data(self.classifier, X, reset=False, accept_sparse="csr")
        weights = np.atleast_2d(dense(coefficients)).T
        activation = "identity" if weights.shape[1] == 1 else SOFTMAX
        bias = np.ravel(self.classifier.intercept_)
        layers, Z = DenseLayers([weights], [bias], activation), self._embed(X)
        found = layers.embed(X)  # one for pairs of classes has other columns
        return (X, layers) if Z.shape == found.shape and np.allclose(Z, found) else None

    def _set_reference(self, X: Any) -> None:
        linear = self._linear(evenly_spaced(X))
        if linear is not None:
            self.reference_ = dense(linear[0])

    def _attribute(
        self, X: Any, slope: NDArray[np.float64], *, method: str = "auto"
    ) -> Attribution | None:
        """Split a linear function of the scores of a linear classifier."""
        linear = self._linear(self._check_input(X, reset=False))
        if linear is None:
            return None
        return attribute_layers(self, linear[1], linear[0], slope, method)

    def _output(self, X: Any) -> NDArray:
        check_is_fitted(self.classifier)
        return predicted_columns(self.classifier, X)

    def _probabilities(self, Z: NDArray) -> NDArray | None:
        by_decision = hasattr(self.classifier, "decision_function")
        if by_decision and not isinstance(self.classifier, LOG_ODDS):
            return None
        if Z.shape[1] > 1:
            return Z
        return np.hstack([expit(-Z), expit(Z)])

    def __sklearn_tags__(self) -> Tags:
        tags, inner = super().__sklearn_tags__(), get_tags(self.classifier)
        tags.input_tags = inner.input_tags
        tags.transformer_tags.preserves_dtype = []
        return tags

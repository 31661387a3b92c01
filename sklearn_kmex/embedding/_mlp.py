"""MLPEmbedder: embed rows by a hidden layer of a network of scikit-learn."""

from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_kmex._compat import HasMethods
from sklearn_kmex._data.arrays import dense
from sklearn_kmex._model.matching import BlackBoxError
from sklearn_kmex.embedding._attribution import Attribution
from sklearn_kmex.embedding._base import BaseEmbedder
from sklearn_kmex.embedding._dense_layers import DenseLayers, attribute_layers
from sklearn_kmex.embedding._head import probabilities_of_scores
from sklearn_kmex.embedding._reference import evenly_spaced

if TYPE_CHECKING:
    from sklearn.neural_network import MLPClassifier
# How rows are checked.
NUMBERS: Any = {"accept_sparse": "csr", "dtype": [np.float64, np.float32]}


class MLPEmbedder(BaseEmbedder):
    """Embed rows by a hidden layer of a fitted `MLPClassifier`.

    The network stays unchanged, and `clone` shares it.

    Read more in the :ref:`User Guide <embedding>`.

    Parameters
    ----------
    mlp : MLPClassifier or MLPRegressor
        The fitted network.

    layer : int, default=-1
        Number of the hidden layer, from 0. Negative numbers count from the end.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns seen during fit, if all of them are strings.

    reference_ : ndarray of shape (n_rows, `n_features_in_`)
        Up to 32 rows of those seen during fit, at even distances, from which
        :func:`~sklearn_kmex.explain.contrast` measures the contributions of columns.
        Other rows may be assigned, such as the mean of the training set where its rows
        are confidential, as they are saved with the model.

    See Also
    --------
    TorchEmbedder : Embeds samples by a layer of a torch module.
    sklearn_kmex.make_kmex : Makes a pipeline of an embedder and a `KMExClassifier`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> from sklearn_kmex.embedding import MLPEmbedder
    >>> X, y = load_iris(return_X_y=True)
    >>> mlp = MLPClassifier((8,), solver="lbfgs", max_iter=500, random_state=0)
    >>> MLPEmbedder(mlp.fit(X, y)).transform(X).shape
    (150, 8)
    """

    _parameter_constraints: ClassVar[dict] = {
        "mlp": [HasMethods(["fit", "predict"])],
        "layer": [Integral],
    }

    def __init__(self, mlp: "MLPClassifier", layer: int = -1) -> None:
        self.mlp = mlp
        self.layer = layer

    def _check_input(self, X: Any, reset: bool) -> Any:
        """Check X; the network itself checks the columns of a DataFrame."""
        if not hasattr(X, "columns"):
            return validate_data(self, X, reset=reset, **NUMBERS)
        if reset or hasattr(self, "n_features_in_"):
            validate_data(self, X, skip_check_array=True, reset=reset)
        return X

    def _embed(self, X: Any) -> NDArray:
        layers = self._layers()
        return layers.embed(self._numbers(X))

    def _numbers(self, X: Any) -> Any:
        """Check rows as the network does."""
        return validate_data(self.mlp, X, reset=False, **NUMBERS)

    def _layers(self) -> DenseLayers:
        """Return the layers of the network up to the embedding."""
        self._check_mlp()
        n_hidden = len(self.mlp.coefs_) - 1
        if not -n_hidden <= self.layer < n_hidden:
            raise ValueError(
                f"layer must be between {-n_hidden} and {n_hidden - 1} for a network "
                f"with {n_hidden} hidden layer(s); got {self.layer}."
            )
        n_layers = self.layer % n_hidden + 1
        weights, biases = self.mlp.coefs_[:n_layers], self.mlp.intercepts_[:n_layers]
        return DenseLayers(weights, biases, self.mlp.activation)

    def _set_reference(self, X: Any) -> None:
        self.reference_ = dense(self._numbers(evenly_spaced(X)))

    def _attribute(
        self, X: Any, slope: NDArray[np.float64], *, method: str = "auto"
    ) -> Attribution:
        """Split a linear function of the hidden layer over the columns of X."""
        X = self._numbers(self._check_input(X, reset=False))
        return attribute_layers(self, self._layers(), X, slope, method)

    def _output(self, X: Any) -> NDArray:
        self._check_mlp()
        if self._is_multilabel():
            raise BlackBoxError(
                "mlp must predict one label for each row to be compared; it was fitted "
                f"on {self.mlp.n_outputs_} targets. Pass a model of one target."
            )
        if is_classifier(self.mlp):
            return self.mlp.predict_proba(X)
        return self.mlp.predict(X)

    def _probabilities(self, Z: NDArray) -> NDArray | None:
        self._check_mlp()
        n_hidden = len(self.mlp.coefs_) - 1
        one_label = is_classifier(self.mlp) and not self._is_multilabel()
        if not one_label or self.layer % n_hidden != n_hidden - 1:
            return None
        return probabilities_of_scores(
            Z @ self.mlp.coefs_[-1] + self.mlp.intercepts_[-1]
        )

    def _is_multilabel(self) -> bool:
        """Whether the network predicts several labels of each row."""
        return self.mlp.out_activation_ == "logistic" and self.mlp.n_outputs_ > 1

    def _check_mlp(self) -> None:
        if not hasattr(self.mlp, "activation"):
            raise TypeError(
                "mlp must be a fitted MLPClassifier or MLPRegressor; got "
                f"{type(self.mlp).__name__}."
            )
        check_is_fitted(self.mlp)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

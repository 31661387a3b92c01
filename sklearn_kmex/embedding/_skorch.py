"""SkorchEmbedder: embed samples by a layer of a fitted skorch net."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from sklearn_kmex._compat import HasMethods, StrOptions
from sklearn_kmex.embedding._head import probabilities_of_scores
from sklearn_kmex.embedding._torch_input import TorchInputEmbedder
from sklearn_kmex.utils import check_dependency

if TYPE_CHECKING:
    from skorch import NeuralNet

    from sklearn_kmex._torch.types import Module


class SkorchEmbedder(TorchInputEmbedder):
    """Embed samples by a layer of a fitted skorch net.

    A private copy that shares the weights of the net is run, with the iterator and on
    the device of the net. The net itself stays unchanged, and `clone` shares it.

    Read more in the :ref:`User Guide <embedding>`.

    Parameters
    ----------
    net : skorch.NeuralNet
        The fitted net.

    layer : str, default=None
        Dotted name, as in `net.module_.named_modules()`, of the layer whose output is
        the embedding. By default, the embedding is the input of the last linear layer
        that runs.

    input_shape : tuple of int, default=None
        Shape of one sample, to which rows are reshaped. By default, X is not reshaped.

    pooling : {"mean", "cls", "flatten"}, default="mean"
        How the activations of a sample become a vector: "mean" over the positions of a
        feature map or the tokens of a sequence, "cls" for the first position of a
        sequence, or "flatten". The axis of the features is found by running a sample.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns seen during fit, if X has two axes.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns seen during fit, if all of them are strings.

    reference_ : ndarray of shape (n_rows, `n_features_in_`)
        Up to 32 rows of the table seen during fit, at even distances, from which
        :func:`~sklearn_kmex.explain.contrast` measures the contributions of columns.
        Other rows may be assigned, such as the mean of the training set where its rows
        are confidential, as they are saved with the model.

    See Also
    --------
    TorchEmbedder : Embeds samples by a layer of a torch module.
    sklearn_kmex.make_kmex : Makes a pipeline of an embedder and a `KMExClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skorch import NeuralNetClassifier
    >>> from sklearn_kmex.embedding import SkorchEmbedder
    >>> module = torch.nn.Sequential(
    ...     torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)
    ... )
    >>> X = np.zeros((6, 4), dtype=np.float32)
    >>> net = NeuralNetClassifier(module, max_epochs=1, train_split=None, verbose=0)
    >>> net = net.fit(X, np.arange(6) % 3)
    >>> SkorchEmbedder(net).transform(X).shape
    (6, 8)
    """

    _parameter_constraints: ClassVar[dict] = {
        "net": [HasMethods(["forward_iter", "predict_proba"])],
        "layer": [str, None],
        "input_shape": [tuple, list, None],
        "pooling": [StrOptions({"mean", "cls", "flatten"})],
    }

    def __init__(
        self,
        net: "NeuralNet",
        layer: str | None = None,
        *,
        input_shape: tuple[int, ...] | None = None,
        pooling: Literal["mean", "cls", "flatten"] = "mean",
    ) -> None:
        self.net = net
        self.layer = layer
        self.input_shape = input_shape
        self.pooling = pooling

    def _embed(self, X: Any) -> NDArray[np.float32]:
        self._check_net()
        from sklearn_kmex._torch.run import embed_by_net

        return embed_by_net(self.net, X, self.layer, self.pooling)

    def _output(self, X: Any) -> NDArray:
        self._check_net()
        from sklearn_kmex._torch.run import output_of_net

        return output_of_net(self.net, X)

    @property
    def output_classes(self) -> Any:
        """Class labels of the outputs; integers are numbers of outputs."""
        known = np.asarray(getattr(self.net, "classes_", []))
        if len(known) == 0:
            return None
        return np.arange(known.max() + 1) if known.dtype.kind in "iu" else known

    def _probabilities(self, Z: NDArray) -> NDArray | None:
        from sklearn_kmex._torch.layers import scores_of_last_linear

        module = self.net.module_
        scores = scores_of_last_linear(module, Z) if self.layer is None else None
        return None if scores is None else probabilities_of_scores(scores)

    def _content(self) -> dict[str, Any]:
        check_is_fitted(self.net)
        settings = ("dataset", "iterator", "iterator_valid")
        net = {
            "module_": self.net.module_,
            "dataset": self.net.dataset,
            "settings": [self.net.get_params_for(name) for name in settings],
        }
        return {**super()._content(), "net": net}

    def _network(self) -> "Module":
        self._check_net()
        return self.net.module_

    def _attributes(self) -> dict[str, Any]:
        inside = {f"net.{name}": value for name, value in vars(self.net).items()}
        return {**vars(self), "net": None, **inside}

    def _check_net(self) -> None:
        check_dependency("skorch", caller="SkorchEmbedder", extra="torch")
        check_is_fitted(self.net)

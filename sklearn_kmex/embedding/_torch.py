"""TorchEmbedder: activations of a layer of a torch module."""

from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._compat import HasMethods, Interval, StrOptions
from sklearn_kmex.embedding._base import BaseEmbedder
from sklearn_kmex.utils import check_dependency

if TYPE_CHECKING:
    from torch import nn


class TorchEmbedder(BaseEmbedder):
    """Embed samples by a layer of a trained torch module.

    The module is run where its parameters are, in evaluation mode and without
    gradients; its parameters, buffers and training flags are afterwards as they
    were. `clone` shares the module.

    Read more in the :ref:`User Guide <embedding>`.

    Parameters
    ----------
    module : torch.nn.Module
        The trained model.

    layer : str, default=None
        Dotted name, as in `module.named_modules()`, of the layer whose output is
        the embedding. None is the input of the last linear layer that runs.

    input_shape : tuple of int, default=None
        Shape of one sample, to which rows are reshaped. None leaves X as it is.

    pooling : {"mean", "flatten"}, default="mean"
        How an activation with more than one axis becomes a vector: "mean" over the
        positions of a feature map (channels first) or the tokens of a sequence
        (channels last), or "flatten".

    batch_size : int, default=256
        Number of samples run at a time.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns seen during fit, where X has two axes.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns seen during fit, where they are all strings.

    See Also
    --------
    SkorchEmbedder : The same for a fitted skorch net.
    sklearn_kmex.make_kmex : An embedder followed by a `KMExClassifier`.

    Examples
    --------
    >>> import torch
    >>> from sklearn_kmex.embedding import TorchEmbedder
    >>> module = torch.nn.Sequential(
    ...     torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)
    ... )
    >>> TorchEmbedder(module).transform([[0.0, 1.0, 2.0, 3.0]]).shape
    (1, 8)
    """

    _parameter_constraints: ClassVar[dict] = {
        "module": [HasMethods(["named_modules", "parameters"])],
        "layer": [str, None],
        "input_shape": [tuple, list, None],
        "pooling": [StrOptions({"mean", "flatten"})],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        module: "nn.Module",
        layer: str | None = None,
        *,
        input_shape: tuple[int, ...] | None = None,
        pooling: Literal["mean", "flatten"] = "mean",
        batch_size: int = 256,
    ) -> None:
        self.module = module
        self.layer = layer
        self.input_shape = input_shape
        self.pooling = pooling
        self.batch_size = batch_size

    def _embed(self, X: Any) -> NDArray[np.float32]:
        check_dependency("torch", caller="TorchEmbedder", extra="torch")
        from sklearn_kmex._torch_backend import embed, run

        outputs = run(self.module, X, self.batch_size)
        return embed(self.module, self.layer, self.pooling, outputs)

    def _output(self, X: Any) -> NDArray:
        check_dependency("torch", caller="TorchEmbedder", extra="torch")
        from sklearn_kmex._torch_backend import collect, run

        return collect(self.module, run(self.module, X, self.batch_size))

"""TorchEmbedder: activations of a layer of a torch module."""

from collections.abc import Callable
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._compat import HasMethods, Interval, StrOptions
from sklearn_kmex.embedding._torch_input import TorchInputEmbedder
from sklearn_kmex.utils import check_dependency

if TYPE_CHECKING:
    from sklearn_kmex._torch.run import Run
    from sklearn_kmex._torch.types import Module


class TorchEmbedder(TorchInputEmbedder):
    """Embed samples by a layer of a trained torch module.

    A private copy that shares the module's weights is run, in evaluation mode and
    without gradients; the module itself does not notice. `clone` shares the module.

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

    pooling : {"mean", "cls", "flatten"}, default="mean"
        How an activation with more than one axis becomes a vector: "mean" over the
        positions of a feature map (channels first) or the tokens of a sequence
        (channels last), "cls" for the first token of a sequence, or "flatten".

    batch_size : int, default=256
        Number of samples run at a time.

    device : str, default="auto"
        Where to run, as in `torch.device`. "auto" is where the parameters of the
        module are; elsewhere its weights are copied for each call.

    precision : {"float32", "bfloat16"}, default="float32"
        "bfloat16" runs with half the digits, faster where the machine supports it;
        the embeddings are float32 all the same.

    preprocess : callable, default=None
        Applied to each sample as it is read, such as a torchvision transform. None
        leaves samples as they are.

    num_workers : int, default=0
        Processes that read and preprocess samples; 0 is this one alone. Arrays and
        tensors without `preprocess` need none.

    verbose : bool, default=False
        Whether to show a progress bar, where tqdm is installed.

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

    Notes
    -----
    For 512 samples and more, batch norms of the copy are folded into the
    convolutions before them where the graph of the module shows that nothing else
    reads these, and convolutions run channels last. Embeddings differ from those of
    a plain forward pass by the rounding of float32.

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
        "pooling": [StrOptions({"mean", "cls", "flatten"})],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "precision": [StrOptions({"float32", "bfloat16"})],
        "preprocess": [callable, None],
        "num_workers": [Interval(Integral, 0, None, closed="left")],
        "verbose": ["boolean"],
    }

    def __init__(
        self,
        module: "Module",
        layer: str | None = None,
        *,
        input_shape: tuple[int, ...] | None = None,
        pooling: Literal["mean", "cls", "flatten"] = "mean",
        batch_size: int = 256,
        device: str = "auto",
        precision: Literal["float32", "bfloat16"] = "float32",
        preprocess: Callable | None = None,
        num_workers: int = 0,
        verbose: bool = False,
    ) -> None:
        self.module = module
        self.layer = layer
        self.input_shape = input_shape
        self.pooling = pooling
        self.batch_size = batch_size
        self.device = device
        self.precision = precision
        self.preprocess = preprocess
        self.num_workers = num_workers
        self.verbose = verbose

    def _embed(self, X: Any) -> NDArray[np.float32]:
        check_dependency("torch", caller="TorchEmbedder", extra="torch")
        from sklearn_kmex._torch.run import embed

        return embed(self.module, X, self.layer, self.pooling, self._how())

    def _output(self, X: Any) -> NDArray:
        check_dependency("torch", caller="TorchEmbedder", extra="torch")
        from sklearn_kmex._torch.run import output

        return output(self.module, X, self._how())

    def _embed_with_output(self, X: Any) -> tuple[NDArray[np.float32], NDArray]:
        if self.precision != "float32":  # the black box answers with all its digits
            return super()._embed_with_output(X)
        check_dependency("torch", caller="TorchEmbedder", extra="torch")
        from sklearn_kmex._torch.run import embed

        scores: list[NDArray] = []
        rows = embed(self.module, X, self.layer, self.pooling, self._how(), scores)
        return rows, np.concatenate(scores)

    def _content(self) -> dict[str, Any]:
        names = ("module", "layer", "input_shape", "pooling", "precision", "preprocess")
        return {name: getattr(self, name) for name in names}

    def _network(self) -> "Module":
        return self.module

    def _how(self) -> "Run":
        from sklearn_kmex._torch.run import Run

        return Run(
            self.batch_size,
            self.device,
            self.precision,
            self.preprocess,
            self.num_workers,
            self.verbose,
        )

"""TorchEmbedder: embed samples by a layer of a torch module."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._compat import HasMethods, Interval, StrOptions
from sklearn_kmex.embedding._head import probabilities_of_scores
from sklearn_kmex.embedding._torch_input import TorchInputEmbedder
from sklearn_kmex.embedding._torch_model import named_outputs
from sklearn_kmex.utils import check_dependency

if TYPE_CHECKING:
    from sklearn_kmex._torch.run import RunSettings
    from sklearn_kmex._torch.types import Module


class TorchEmbedder(TorchInputEmbedder):
    """Embed samples by a layer of a trained torch module.

    A private copy that shares the weights of the module is run, in evaluation mode and
    without gradients. The module itself stays unchanged, and `clone` shares it.

    Read more in the :ref:`User Guide <embedding>`.

    Parameters
    ----------
    module : torch.nn.Module
        The trained model.

    layer : str, default=None
        Dotted name, as in `module.named_modules()`, of the layer whose output is the
        embedding. By default, the embedding is the input of the last linear layer that
        runs.

    input_shape : tuple of int, default=None
        Shape of one sample, to which rows are reshaped. By default, X is not reshaped.

    pooling : {"mean", "cls", "flatten"}, default="mean"
        How the activations of a sample become a vector: "mean" over the positions of a
        feature map or the tokens of a sequence, "cls" for the first position of a
        sequence, or "flatten". The axis of the features is found by running a sample.

    batch_size : int, default=256
        Number of samples in a batch. A batch of one is run as two equal samples.

    device : str, default="auto"
        Where to run, as in `torch.device`. "auto" is the device of the module. For
        another device, the weights are copied in each call.

    precision : {"float32", "bfloat16"}, default="float32"
        Dtype of the computation. "bfloat16" is less precise, and faster on machines
        that support it. The embeddings are float32 in both cases.

    preprocess : callable, default=None
        Function applied to each sample after it is read, such as a torchvision
        transform.

    num_workers : int, default=0
        Number of processes that read and preprocess samples. 0 uses the current
        process, as do arrays and tensors without `preprocess`.

    verbose : bool, default=False
        Whether to show a progress bar, if tqdm is installed.

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
    SkorchEmbedder : Embeds samples by a layer of a fitted skorch net.
    sklearn_kmex.make_kmex : Makes a pipeline of an embedder and a `KMExClassifier`.

    Notes
    -----
    For 512 samples or more, each batch norm of the copy is folded into the convolution
    before it if nothing else uses the output of that. Convolutions run channels last
    if the module calls only functions whose results do not depend on the order of
    numbers in memory. Embeddings then differ from those of a plain forward pass by
    rounding in float32.

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
        "module": [HasMethods(["parameters"])],
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
        module: Module,
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

        return embed(self.module, X, self.layer, self.pooling, self._run_settings())

    def _output(self, X: Any) -> NDArray:
        check_dependency("torch", caller="TorchEmbedder", extra="torch")
        from sklearn_kmex._torch.run import output

        return output(self.module, X, self._run_settings())

    @property
    def output_classes(self) -> Any:
        """Class labels of the outputs, if the module has a configuration with them."""
        return named_outputs(self.module)

    def _embed_with_output(self, X: Any) -> tuple[NDArray[np.float32], NDArray]:
        if (
            self.precision != "float32"
        ):  # the black box itself runs in its own precision
            return super()._embed_with_output(X)
        check_dependency("torch", caller="TorchEmbedder", extra="torch")
        from sklearn_kmex._torch.run import embed

        scores: list[NDArray] = []
        rows = embed(
            self.module, X, self.layer, self.pooling, self._run_settings(), scores
        )
        return rows, np.concatenate(scores)

    def _probabilities(self, Z: NDArray) -> NDArray | None:
        from sklearn_kmex._torch.layers import scores_of_last_linear

        scores = scores_of_last_linear(self.module, Z) if self.layer is None else None
        return None if scores is None else probabilities_of_scores(scores)

    def _content(self) -> dict[str, Any]:
        names = ("module", "layer", "input_shape", "pooling", "precision", "preprocess")
        return {name: getattr(self, name) for name in names}

    def _network(self) -> Module:
        return self.module

    def _run_settings(self) -> RunSettings:
        from sklearn_kmex._torch.run import RunSettings

        return RunSettings(
            self.batch_size,
            self.device,
            self.precision,
            self.preprocess,
            self.num_workers,
            self.verbose,
        )

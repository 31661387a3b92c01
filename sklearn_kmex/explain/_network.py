"""The network inside a self-explainable model, and its input."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._data.brief import brief
from sklearn_kmex._data.samples import len_of, sample, stacked
from sklearn_kmex._model.black_box import output_classes
from sklearn_kmex._model.matching import match_outputs, some
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.steps import uncached_steps
from sklearn_kmex.embedding._torch_input import TorchInputEmbedder
from sklearn_kmex.explain._target import layers_of

if TYPE_CHECKING:
    from sklearn_kmex._torch.attribution import Maps
    from sklearn_kmex._torch.gradients import Method
    from sklearn_kmex._torch.projection import Affine, Length


class FoundNetwork(NamedTuple):
    """Parts of a self-explainable model, and X as the input of its network."""

    sem: Any
    embedder: TorchInputEmbedder
    inputs: Any
    shape: tuple[int, ...] | None  # of a sample, where it was reshaped into the input
    samples: Any  # the input of the embedder
    after: list[Any]  # steps between the embedder and the classifier
    known: Any = None  # class labels of the outputs of the network

    def as_given(self, maps: NDArray) -> NDArray:
        """Give maps the shape of the samples in X."""
        if self.shape is None or maps.ndim == 2:
            return maps
        n_axes = self.inputs.ndim - 1
        return maps.reshape(*maps.shape[: maps.ndim - n_axes], *self.shape)

    def layers(self) -> "list[Affine | Length]":
        """Return the steps between the encoder and the classifier as layers."""
        Z = self.embedder.transform(self.samples) if self.after else None
        return layers_of(self.after, Z)

    def columns(self, codes: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the outputs of the network that belong to these class codes."""
        classes = np.asarray(self.sem.classes_)
        if self.known is None:
            return codes
        places = match_outputs(self.known, len(self.known), classes).places
        unknown = np.setdiff1d(codes, places)
        if len(unknown):
            raise ValueError(
                f"The black box has no output for {brief(classes[unknown])}; its "
                f"outputs are {some(self.known)}."
            )
        outputs = np.full(len(classes), -1)
        outputs[places[places >= 0]] = np.flatnonzero(places >= 0)
        return outputs[codes]

    def output_maps(
        self,
        columns: NDArray[np.intp],
        batch_size: int,
        method: "Method",
        shuffled: bool = False,
    ) -> "Maps":
        """Explain outputs of the network, or of its head with shuffled weights."""
        from sklearn_kmex._torch.attribution import explain_output

        network = self.embedder._encoder(batch_size)
        return explain_output(network, self.inputs, columns, method, shuffled)


def steps_to_network(
    psem: Any, *, has_contrast: bool = True
) -> tuple[list[Any], list[Any]]:
    """List the steps up to the torch encoder of a model, and those after it.

    The error names `contrast` where it answers the same question.
    """
    if hasattr(psem, "shape"):
        raise TypeError(
            f"psem must be a fitted model, given before X; got {type(psem).__name__} "
            "first."
        )
    find_sem(psem)
    steps = [step for _, step in uncached_steps(psem)]
    found = [n for n, step in enumerate(steps) if isinstance(step, TorchInputEmbedder)]
    if not found:
        names = ", ".join(type(step).__name__ for step in steps) or "no steps"
        contrast = "; for the columns of a table use contrast" if has_contrast else ""
        raise TypeError(
            f"psem has no torch encoder before its classifier; it has {names}. Convert "
            f"a torch network with make_kmex{contrast}."
        )
    return steps[: found[-1] + 1], steps[found[-1] + 1 :]


def find_network(psem: Any, X: Any) -> FoundNetwork:
    """Find the torch encoder before the classifier, and its input."""
    (*before, embedder), after = steps_to_network(psem)
    for step in before:
        X = step.transform(X)
    inputs = embedder._check_input(X, reset=False)
    shape = np.shape(X[0]) if isinstance(X, list) else getattr(X, "shape", ())[1:]
    reshaped = len(shape) == 1 and getattr(inputs, "ndim", 2) > 2
    return FoundNetwork(
        *(find_sem(psem), embedder, inputs, shape if reshaped else None, X, after),
        output_classes(psem),
    )


def network_inputs(psem: Any, X: Any) -> NDArray | None:
    """Return what the network takes for each sample, after `preprocess`.

    None if these are no arrays of one shape.
    """
    found = find_network(psem, X)
    preprocess = getattr(found.embedder, "preprocess", None)
    inputs = found.inputs
    if preprocess is not None:
        inputs = [preprocess(sample(inputs, row)) for row in range(len_of(inputs))]
    return stacked(inputs, range(len_of(inputs)))

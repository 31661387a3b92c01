"""EmbeddingPipeline: frozen steps followed by an embedder."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils.metaestimators import available_if

from sklearn_kmex._model.matching import BlackBoxError


def _has_black_box(self: "EmbeddingPipeline") -> bool:
    return self.black_box is not None or hasattr(self[-1], "black_box_output")


class EmbeddingPipeline(Pipeline):
    """Pipeline of frozen steps and an embedder, with the output of the whole model.

    Parameters
    ----------
    steps : list of (str, transformer)
        Frozen steps, the last of which embeds.

    black_box : classifier, default=None
        The whole model, if it predicts otherwise than the model of the last step, as
        one with another threshold does. None is the model of the last step.

    classes : array-like of shape (n_outputs,), default=None
        Label of each output of the model. None takes those that it has.
    """

    def __init__(
        self,
        steps: list,
        *,
        memory: Any = None,
        verbose: bool = False,
        black_box: Any = None,
        classes: Any = None,
    ) -> None:
        super().__init__(steps, memory=memory, verbose=verbose)
        self.black_box = black_box
        self.classes = classes

    @available_if(_has_black_box)
    def black_box_output(self, X: ArrayLike) -> NDArray:
        """Compute the output of the whole model for X, including the first steps.

        That of `black_box` has one column for each class, with 1 where it is predicted.
        """
        if self.black_box is not None:
            return predicted_columns(self.black_box, X)
        return self[-1].black_box_output(self._before_last(X))

    @available_if(_has_black_box)
    def embed_with_output(self, X: ArrayLike) -> tuple[Any, NDArray]:
        """Embed X and compute the output of the whole model, in one pass if possible.

        The output is that of `black_box_output`.
        """
        Z, last = self._before_last(X), self[-1]
        if self.black_box is None and hasattr(last, "embed_with_output"):
            return last.embed_with_output(Z)
        return last.transform(Z), self.black_box_output(X)

    @property
    def output_classes(self) -> Any:
        """Class labels of the outputs of the model, None if it has none."""
        if self.classes is not None:
            return self.classes
        if self.black_box is not None:
            return self.black_box.classes_
        return getattr(self[-1], "output_classes", None)

    def _before_last(self, X: Any) -> Any:
        for _, step in self.steps[:-1]:
            X = step.transform(X)
        return X


def predicted_columns(model: Any, X: Any) -> NDArray[np.float64]:
    """Return a column for each class of a classifier, with 1 where it is predicted."""
    labels, classes = np.asarray(model.predict(X)), model.classes_
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.ndim != 1:
        raise BlackBoxError(
            f"{type(model).__name__} must predict one label for each sample; it "
            f"predicts an array of shape {labels.shape}. Pass a model of one target."
        )
    return (labels[:, np.newaxis] == np.asarray(classes)).astype(np.float64)

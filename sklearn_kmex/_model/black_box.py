"""What the black box behind an embedder predicts."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.steps import embed, run_steps, steps_before


def labels_of_both(psem: Any, X: Any, black_box: Any) -> tuple[NDArray, NDArray]:
    """Predict by the black box and by the model, in one pass where that is possible."""
    sem = find_sem(psem)
    both = one_pass(psem, X, labels_of) if black_box is None else None
    if both is None:
        theirs = black_box_labels(psem, X, black_box)
        return theirs, sem.predict(embed(psem, X))
    Z, theirs = both
    return theirs, sem.predict(Z)


def one_pass(psem: Any, X: Any, read: Callable) -> tuple[Any, NDArray] | None:
    """Embed X and run the black box in one pass of the step before the classifier."""
    steps = steps_before(psem)
    if not steps or not hasattr(steps[-1][1], "embed_with_output"):
        return None
    embedder = steps[-1][1]
    Z, output = embedder.embed_with_output(run_steps(steps[:-1], X))
    return Z, read(output, embedder, find_sem(psem).classes_)


def black_box_labels(psem: Any, X: Any, black_box: Any) -> NDArray:
    """Predict by the black box given, or by that of the embedder."""
    if black_box is not None:
        return np.asarray(black_box.predict(X))
    found = embedder_output(psem, X)
    if found is None:
        raise TypeError(
            f"{type(psem).__name__} must have a step with black_box_output to be "
            "compared to its black box, as make_kmex makes of a network or of trees; "
            "give one with sem_scorers(black_box=...), or leave it out with "
            "black_box=None."
        )
    return labels_of(*found, find_sem(psem).classes_)


def embedder_output(psem: Any, X: Any) -> tuple[Any, Any] | None:
    """Run the black box of the first step that has one; return that step, too."""
    steps = steps_before(psem)
    for place, (_, step) in enumerate(steps):
        if hasattr(step, "black_box_output"):
            return step.black_box_output(run_steps(steps[:place], X)), step
    return None


def labels_of(output: Any, embedder: BaseEstimator, classes: NDArray) -> NDArray:
    """Take the class of the largest output, of the classes the model was fitted on."""
    labels = labels_if_any(output, embedder, classes)
    if labels is None:
        raise ValueError(
            f"The black box must give one output for each of the {len(classes)} "
            f"classes; got outputs of shape {np.shape(output)}. Give a model that "
            "predicts labels with sem_scorers(black_box=...)."
        )
    return labels


def labels_if_any(
    output: Any, embedder: BaseEstimator, classes: NDArray
) -> NDArray | None:
    """Read outputs as labels, or return None where there is not one for each class."""
    held = embedder.get_params().values()
    known = [model.classes_ for model in held if hasattr(model, "classes_")]
    classes, output = known[0] if known else classes, np.asarray(output)
    if output.ndim != 2 or output.shape[1] != len(classes):
        return None
    return classes[output.argmax(axis=1)]

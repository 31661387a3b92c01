"""Predictions of the black box that a model is compared to."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.steps import embed, run_steps, steps_before


def check_black_box(black_box: Any) -> None:
    """Raise an error unless it is "embedder", None or a model with `predict`."""
    if isinstance(black_box, str):
        accepted = black_box == "embedder"
    else:
        accepted = black_box is None or hasattr(black_box, "predict")
    if not accepted:
        raise TypeError(
            'black_box must be "embedder", None or a fitted model with predict; got '
            f"{black_box!r}."
        )


def labels_of_both(psem: Any, X: Any, black_box: Any) -> tuple[NDArray, NDArray]:
    """Predict by the black box and by the model, in one pass if possible.

    `black_box` is "embedder", for the model behind the embedder, or a fitted model.
    """
    sem = find_sem(psem)
    if not isinstance(black_box, str):
        return np.asarray(black_box.predict(X)), sem.predict(embed(psem, X))
    both = one_pass(psem, X, labels_of)
    if both is None:
        return embedder_labels(psem, X), sem.predict(embed(psem, X))
    Z, labels = both
    return labels, sem.predict(Z)


def one_pass(psem: Any, X: Any, read: Callable) -> tuple[Any, NDArray] | None:
    """Embed X and run the black box in one pass; return None if that is not possible.

    The output, the embedder and the classes are passed to `read`.
    """
    steps = steps_before(psem)
    if not steps or not hasattr(steps[-1][1], "embed_with_output"):
        return None
    embedder = steps[-1][1]
    Z, output = embedder.embed_with_output(run_steps(steps[:-1], X))
    return Z, read(output, embedder, find_sem(psem).classes_)


def embedder_labels(psem: Any, X: Any) -> NDArray:
    """Predict by the black box behind the embedder."""
    found = embedder_output(psem, X)
    if found is None:
        raise TypeError(
            f"{type(psem).__name__} must have a step with black_box_output, as "
            "make_kmex makes of a network or of trees, to be compared to the black box "
            "of its embedder. Pass a black box with sem_scorers(black_box=...), or "
            "leave the comparison out with black_box=None."
        )
    return labels_of(*found, find_sem(psem).classes_)


def embedder_output(psem: Any, X: Any) -> tuple[Any, Any] | None:
    """Run the first step with a black box; return its output and that step."""
    steps = steps_before(psem)
    for place, (_, step) in enumerate(steps):
        if hasattr(step, "black_box_output"):
            return step.black_box_output(run_steps(steps[:place], X)), step
    return None


def labels_of(output: Any, embedder: BaseEstimator, classes: NDArray) -> NDArray:
    """Return the class of the largest output of each sample."""
    labels = labels_if_any(output, embedder, classes)
    if labels is None:
        raise ValueError(
            f"The black box must give one output for each of the {len(classes)} "
            f"classes; got outputs of shape {np.shape(output)}. Pass a model that "
            "predicts labels with sem_scorers(black_box=...)."
        )
    return labels


def labels_if_any(
    output: Any, embedder: BaseEstimator, classes: NDArray
) -> NDArray | None:
    """Return the class of the largest output, or None if outputs are not of classes.

    `classes` is used if the black box has no `classes_`.
    """
    held = embedder.get_params().values()
    known = [model.classes_ for model in held if hasattr(model, "classes_")]
    classes, output = known[0] if known else classes, np.asarray(output)
    if output.ndim != 2 or output.shape[1] != len(classes):
        return None
    return classes[output.argmax(axis=1)]

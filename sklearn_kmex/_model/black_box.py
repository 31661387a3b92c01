"""Predictions of the black box that a model is compared to."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_kmex._data.brief import brief
from sklearn_kmex._model.matching import (
    BlackBoxError,
    Match,
    check_match,
    match_outputs,
)
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.steps import embed, run_steps, steps_before

OUTPUT = "black_box_output"  # the method of a step that has a black box


def check_black_box(black_box: Any, classes: ArrayLike | None = None) -> None:
    """Refuse what is not "embedder", None or a model with `predict`, and its labels."""
    if isinstance(black_box, str):
        accepted = black_box == "embedder"
    else:
        accepted = black_box is None or hasattr(black_box, "predict")
    if not accepted:
        raise TypeError(
            'black_box must be "embedder", None or a fitted model with predict; got '
            f"{black_box!r}."
        )
    check_labels(classes)


def check_labels(classes: ArrayLike | None) -> None:
    """Refuse labels of outputs that are not different, or not in a row."""
    labels = np.asarray([] if classes is None else classes)
    if labels.ndim != 1 or len(np.unique(labels)) < len(labels):
        raise ValueError(
            "classes must be a different label for each output of the model, in their "
            f"order; got {classes!r}."
        )


class BlackBox:
    """A black box that is asked about samples while they are embedded.

    `black_box` is "embedder", for the model behind the embedder, or a fitted model.
    `classes` are the labels of its outputs, if given by the user.
    """

    def __init__(
        self, psem: Any, black_box: Any, classes: ArrayLike | None = None
    ) -> None:
        self.psem = psem
        self.model = None if isinstance(black_box, str) else black_box
        self.given = None if classes is None else np.asarray(classes)
        self.labels = np.asarray(find_sem(psem).classes_)
        self.n_outputs = 0
        self.answers: list[NDArray] = []
        self.doubt: str | None = None  # whether the labels are the same

    @property
    def exists(self) -> bool:
        """Whether there is a black box to ask."""
        return self.model is not None or has_black_box(self.psem)

    def embed(self, X: Any) -> Any:
        """Embed samples, and ask about them, in one pass if possible."""
        if self.model is not None:
            self.answers.append(_one_label_each(self.model.predict(X)))
            return embed(self.psem, X)
        Z, output = _embed_with_output(self.psem, X)
        scores = _scores(output)
        self.n_outputs = scores.shape[1]
        self.answers.append(scores.argmax(axis=1))
        return Z

    def codes(
        self, expected: NDArray[np.intp], whose: str = "the model"
    ) -> NDArray[np.intp]:
        """Return the class codes that it predicts, -1 for a class unknown to psem.

        `expected` are class codes of the samples, by which the order of outputs is
        checked: labels, or those that the model predicts. `whose` names them.
        """
        answers = np.concatenate(self.answers)
        if self.model is None:
            match = match_outputs(self._known(), self.n_outputs, self.labels)
        else:
            answers, match = self._outputs_of_labels(answers)
        self.doubt = check_match(match, answers, expected, whose)
        return match.places[answers]

    def _known(self) -> Any:
        return output_classes(self.psem) if self.given is None else self.given

    def _outputs_of_labels(self, labels: NDArray) -> tuple[NDArray, Match]:
        """Return numbers of outputs for predicted labels, and their classes."""
        known = np.asarray(getattr(self.model, "classes_", self.labels[:0]))
        if known.ndim != 1 or len(known) == 0:
            known = np.unique(labels) if self.given is None else self.given
        if np.isin(labels, known).all():
            order = np.argsort(known, kind="stable")
            outputs = order[np.searchsorted(known, labels, sorter=order)]
        elif labels.dtype.kind in "iu" and np.isin(labels, np.arange(len(known))).all():
            outputs = labels
        else:
            raise BlackBoxError(
                f"{type(self.model).__name__} must predict its classes, "
                f"{brief(known)}; it predicts {brief(np.setdiff1d(labels, known))}."
            )
        names = known if self.given is None else self.given
        return outputs, match_outputs(names, len(known), self.labels)


def has_black_box(psem: Any) -> bool:
    """Whether a step has a black box."""
    return any(hasattr(step, OUTPUT) for _, step in steps_before(psem, OUTPUT))


def output_classes(psem: Any) -> Any:
    """Return the labels of the outputs of the black box of a step, None if unknown."""
    known = (
        getattr(step, "output_classes", None)
        for _, step in steps_before(psem, OUTPUT)
        if hasattr(step, OUTPUT)
    )
    return next(known, None)


def _embed_with_output(psem: Any, X: Any) -> tuple[Any, Any]:
    """Embed X and run the black box, in one pass if that is possible."""
    steps = steps_before(psem, OUTPUT)
    places = [n for n, (_, step) in enumerate(steps) if hasattr(step, OUTPUT)]
    if not places:
        raise TypeError(
            f"{type(psem).__name__} must have a step with black_box_output, as "
            "make_kmex makes of a network or of trees, to be compared to the black box "
            "of its embedder. Pass a black box with sem_scorers(black_box=...), or "
            "leave the comparison out with black_box=None."
        )
    before, (_, step), after = (
        steps[: places[0]],
        steps[places[0]],
        steps[places[0] + 1 :],
    )
    inputs = run_steps(before, X)
    if hasattr(step, "embed_with_output"):
        Z, output = step.embed_with_output(inputs)
    else:
        Z, output = step.transform(inputs), step.black_box_output(inputs)
    return run_steps(after, Z), output


def _scores(output: Any) -> NDArray:
    """Check that there is one score for each sample and class."""
    if isinstance(output, list):  # of classifiers of scikit-learn
        raise BlackBoxError(
            f"The black box must predict one target; it predicts {len(output)}. Pass a "
            "model of one target."
        )
    if np.ndim(output) != 2:
        raise BlackBoxError(
            "The black box must give one output for each class; got outputs of shape "
            f"{np.shape(output)}. Pass a model that predicts labels with "
            "sem_scorers(black_box=...)."
        )
    scores = np.asarray(output)
    bad = np.flatnonzero(np.isnan(scores).any(axis=1))
    if len(bad):
        raise BlackBoxError(
            f"The outputs of the black box must not be NaN; they are for {len(bad)} of "
            f"{len(scores)} samples."
        )
    return scores


def _one_label_each(labels: Any) -> NDArray:
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise BlackBoxError(
            "The black box must predict one label for each sample; it predicts an "
            f"array of shape {labels.shape}. Pass a model of one target."
        )
    return labels

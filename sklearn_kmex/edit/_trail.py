"""The edited copy of a model, and the entry about the edit in its log."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_consistent_length

from sklearn_kmex._classifier import KMExClassifier
from sklearn_kmex._model.steps import embed, find_kmex
from sklearn_kmex.edit._check import check_classes_alike
from sklearn_kmex.edit._state import State, copied, write


class Edit(NamedTuple):
    """An edit: its name, the prototypes that it is about, and what it makes of them."""

    what: str
    ids: NDArray[np.intp]  # before
    state: State  # after
    classes: NDArray  # after
    label: NDArray | None = None  # new one, an array of one
    names: list[list[Any]] | None = None  # pairs of old and new
    merged_into: int | None = None  # number before of what stands for ids after


class Evaluation(NamedTuple):
    """Embeddings and labels that an edit is judged on."""

    Z: Any
    y: NDArray


def check_evaluation(
    psem: Any, X_val: Any, y_val: ArrayLike | None
) -> Evaluation | None:
    """Embed the rows, once for both models; None where there are none."""
    if (X_val is None) != (y_val is None):
        given, other = ("y_val", "X_val") if X_val is None else ("X_val", "y_val")
        raise ValueError(f"{other} must be given with {given}; got None.")
    if X_val is None:
        return None
    labels = column_or_1d(y_val)
    check_classes_alike(labels, find_kmex(psem).classes_, "y_val")
    Z = embed(psem, X_val)
    check_consistent_length(Z, labels)
    return Evaluation(Z, labels)


def edited(
    psem: Any,
    edit: Edit,
    reason: str | None,
    X_val: Any = None,
    y_val: ArrayLike | None = None,
    *,
    adapt: Callable[[KMExClassifier], None] = lambda sem: None,
) -> Any:
    """Make the edit in a copy, with the parameters adapted, and enter it in the log."""
    if not isinstance(reason, str | None):
        raise ValueError(
            f"reason must be a str or None; got {reason!r} of type "
            f"{type(reason).__name__}."
        )
    old, evaluation = find_kmex(psem), check_evaluation(psem, X_val, y_val)
    new, sem = copied(psem)
    adapt(sem)
    before = write(sem, edit.state, edit.classes)
    entry: dict[str, Any] = {"what": edit.what, "why": reason, "when": now()}
    entry |= numbers(edit, before, len(old.prototypes_))
    entry |= {"label": plain(edit.label), "names": edit.names}
    entry |= accuracies(old, sem, evaluation)
    sem.edit_log_ = [*getattr(sem, "edit_log_", []), entry]
    return new


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def plain(label: NDArray | None) -> Any:
    """Turn an array of one label into the label, as a Python object."""
    return None if label is None else label.tolist()[0]


def numbers(edit: Edit, before: NDArray[np.intp], n_before: int) -> dict[str, Any]:
    """Tell where prototypes went, and which the edit was about, before and after."""
    place = {int(old): new for new, old in enumerate(before) if old >= 0}
    if edit.merged_into is not None:
        place |= dict.fromkeys(edit.ids.tolist(), place[edit.merged_into])
    ids = edit.ids.tolist()
    after = {place[old] for old in ids if old in place}
    after |= set(np.flatnonzero(before < 0).tolist())
    return {
        "ids_before": ids,
        "ids_after": sorted(after),
        "new_ids": [place.get(old) for old in range(n_before)],
    }


def accuracies(
    old: KMExClassifier, new: KMExClassifier, evaluation: Evaluation | None
) -> dict[str, Any]:
    """Share of rows that the model is right on, before and after."""
    found = dict.fromkeys(("n_samples", "accuracy_before", "accuracy_after"))
    if evaluation is None:
        return found
    Z, y = evaluation
    before, after = (float(np.mean(sem.predict(Z) == y)) for sem in (old, new))
    values = (len(y), before, after)
    return dict(zip(found, values, strict=True))

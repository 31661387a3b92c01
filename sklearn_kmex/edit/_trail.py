"""The edited copy of a model, and the entry in its log."""

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
from sklearn_kmex.edit._state import State, copy_for_edit, set_prototypes


class Edit(NamedTuple):
    """An edit: its name, the prototypes it concerns, and the resulting state."""

    what: str
    ids: NDArray[np.intp]  # numbers before the edit
    state: State  # after the edit
    classes: NDArray  # after the edit
    label: NDArray | None = None  # new label, as an array of length 1
    names: list[list[Any]] | None = None  # pairs of old and new labels
    merged_into: int | None = None  # number, before the edit, of the merged prototype
    n_rows: int | None = None  # number of training rows that are forgotten


class Evaluation(NamedTuple):
    """Embeddings and labels to measure accuracy on."""

    Z: Any
    y: NDArray


def check_evaluation(
    psem: Any, X_val: Any, y_val: ArrayLike | None
) -> Evaluation | None:
    """Embed the samples, once for both models; return None without samples."""
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


def apply_edit(
    psem: Any,
    edit: Edit,
    reason: str | None,
    X_val: Any = None,
    y_val: ArrayLike | None = None,
    *,
    adapt: Callable[[KMExClassifier], None] = lambda sem: None,
) -> Any:
    """Return an edited copy with a new entry in its log.

    `adapt` changes the parameters of the copied classifier.
    """
    if not isinstance(reason, str | None):
        raise ValueError(
            f"reason must be a str or None; got {reason!r} of type "
            f"{type(reason).__name__}."
        )
    old, evaluation = find_kmex(psem), check_evaluation(psem, X_val, y_val)
    new, sem = copy_for_edit(psem)
    adapt(sem)
    before = set_prototypes(sem, edit.state, edit.classes)
    entry: dict[str, Any] = {"what": edit.what, "reason": reason, "when": now()}
    entry |= numbers_of_prototypes(edit, before, len(old.prototypes_))
    entry |= {"label": plain(edit.label), "names": edit.names}
    if edit.n_rows is not None:
        entry["n_rows"] = edit.n_rows
    entry |= accuracies(old, sem, evaluation)
    sem.edit_log_ = [*getattr(sem, "edit_log_", []), entry]
    return new


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def plain(label: NDArray | None) -> Any:
    """Return the label in an array of length 1, as a Python object."""
    return None if label is None else label.tolist()[0]


def numbers_of_prototypes(
    edit: Edit, before: NDArray[np.intp], n_before: int
) -> dict[str, Any]:
    """Return the numbers of prototypes before and after the edit.

    `new_ids` holds the new number of each former prototype, or None.
    """
    new_of = {int(old): new for new, old in enumerate(before) if old >= 0}
    if edit.merged_into is not None:
        new_of |= dict.fromkeys(edit.ids.tolist(), new_of[edit.merged_into])
    ids = edit.ids.tolist()
    after = {new_of[old] for old in ids if old in new_of}
    after |= set(np.flatnonzero(before < 0).tolist())
    return {
        "ids_before": ids,
        "ids_after": sorted(after),
        "new_ids": [new_of.get(old) for old in range(n_before)],
    }


def accuracies(
    old: KMExClassifier, new: KMExClassifier, evaluation: Evaluation | None
) -> dict[str, Any]:
    """Measure the accuracy before and after the edit."""
    found = dict.fromkeys(("n_samples", "accuracy_before", "accuracy_after"))
    if evaluation is None:
        return found
    Z, y = evaluation
    before, after = (float(np.mean(sem.predict(Z) == y)) for sem in (old, new))
    values = (len(y), before, after)
    return dict(zip(found, values, strict=True))

"""How groups of training samples are represented among the prototypes."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch, column_or_1d
from sklearn.utils.validation import check_consistent_length

from sklearn_kmex._data.samples import as_samples, len_of
from sklearn_kmex._model.decision import Decision, decide
from sklearn_kmex._model.labels import class_codes
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.steps import embed
from sklearn_kmex.metrics._grouping import columns_of, make_groups

MOST = 0.5  # share of the members of a prototype that makes it one of a group


def represent(
    psem: Any, groups: Any, X: Any, y: ArrayLike | None, crossings: int
) -> tuple[Bunch, list[str]]:
    """Embed training samples where they are given, and describe their groups."""
    sem = find_sem(psem)
    if X is None:
        column = next(iter(columns_of(groups, "groups_train").values()))
        rows = np.asarray(getattr(sem, "prototype_indices_", -1))
        n_rows = getattr(sem, "n_samples_seen_", len(column))
        if len(column) > n_rows:
            raise ValueError(
                "groups_train must be given for the training samples, in the order in "
                f"which psem was fitted to them; got {len(column)} values, and psem "
                f"was fitted to {n_rows} samples."
            )
        return describe(
            groups, len(column), rows, None, len(sem.prototypes_), crossings
        )
    X = as_samples(X)
    decision = decide(psem, embed(psem, X))
    codes = decision.predicted
    if y is not None:
        check_consistent_length(np.arange(len_of(X)), column_or_1d(y))
        codes = class_codes(decision.classes, column_or_1d(y), "y_train")
    owner = decision.nearest_of(codes)
    rows = nearest_rows(decision, codes)
    return describe(groups, len_of(X), rows, owner, len(decision.owners), crossings)


def nearest_rows(decision: Decision, codes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the training row that shows each prototype, or the most similar one."""
    if decision.training_rows.min() >= 0:
        return decision.training_rows
    own = codes[:, np.newaxis] == decision.owners
    return np.where(own, decision.similarities, -np.inf).argmax(axis=0)


def describe(
    groups: Any,
    n_rows: int,
    rows: NDArray[np.intp],
    owner: NDArray[np.intp] | None,
    n_prototypes: int,
    crossings: int,
) -> tuple[Bunch, list[str]]:
    """Compare shares of groups among training samples, prototypes and members."""
    if np.min(rows) < 0 or np.max(rows) >= n_rows:
        raise ValueError(
            "groups_train must be given for the training samples, in the order in "
            f"which psem was fitted to them; got {n_rows} values, and psem shows "
            f"training row {np.max(rows)}. Where it is -1, pass X_train as well."
        )
    found = make_groups(groups, n_rows, crossings, "groups_train")[1:]
    shares = np.stack([group.rows for group in found]).astype(np.float64)
    of_members = np.full((len(found), n_prototypes), np.nan)
    if owner is not None:
        counts = np.bincount(owner, minlength=n_prototypes)
        sums = [np.bincount(owner, one, n_prototypes) for one in shares]
        of_members = np.stack(sums) / np.where(counts > 0, counts, np.nan)
    used = ~np.isnan(of_members).all(axis=0)
    shown = shares[:, rows] > 0
    absent = ~(shown | (of_members > MOST)).any(axis=1)
    names = np.array([group.name for group in found], dtype=object)
    return Bunch(
        group=names,
        row_share=shares.mean(axis=1),
        n_prototypes=shown.sum(axis=1),
        prototype_share=shown.mean(axis=1),
        member_share=np.nanmean(of_members[:, used], axis=1)
        if used.any()
        else np.full(len(found), np.nan),
    ), names[absent].tolist()

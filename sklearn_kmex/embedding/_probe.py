"""A few stored embeddings, computed again: finds what a fingerprint cannot follow."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from sklearn_kmex._data.samples import run_part
from sklearn_kmex.embedding._store import Entries, unpack

ROWS = 3
# Largest difference that is rounding, as a share of the largest value of a row: results
# in bfloat16 differ by up to 0.015 between sizes of a batch.
TOLERANCE = 0.05

# The files and models whose rows were found to be alike.
CHECKED: set[tuple[Path, bytes]] = set()


def check_stored(
    path: Path,
    model: bytes,
    keys: list[bytes],
    cached: Entries,
    compute: Callable,
    X: Any,
) -> None:
    """Check a few cached rows the first time that a process finds some of a model.

    Parameters
    ----------
    path : Path
        File of the cache.

    model : bytes
        Fingerprint of the model.

    keys : list of bytes of length n_samples
        Key of each sample.

    cached : dict
        Entries that were found.

    compute : callable
        Function that embeds samples.

    X : array-like, Dataset or list of n_samples samples
        Samples.

    Raises
    ------
    ValueError
        If the model gives other embeddings.
    """
    if not cached or (path, model) in CHECKED:
        return
    found = [row for row, key in enumerate(keys) if key in cached]
    rows = spread(found)
    stored = unpack([cached[keys[row]] for row in rows])
    wrong = unlike(stored, run_part(compute, X, rows))
    if wrong is not None:
        raise ValueError(
            f"The embedder gives another embedding of sample {rows[wrong]} of X than "
            f"the one in the cache {path}. Either something changed that its hash does "
            "not follow, such as a file that its code reads: clear the cache, or set "
            "version to a new name. Or it depends on chance or on the other samples of "
            "X: set memory to None."
        )
    CHECKED.add((path, model))


def spread(rows: Any) -> list[int]:
    """Choose up to `ROWS` of some row numbers, the first and the last among them."""
    chosen = np.linspace(0, len(rows) - 1, min(ROWS, len(rows))).astype(int)
    return [rows[i] for i in chosen]


def unlike(stored: Any, computed: Any) -> int | None:
    """Return the first row that differs by more than rounding.

    Parameters
    ----------
    stored, computed : {array-like, sparse matrix} of shape (n_rows, ...)
        Embeddings of the same samples.

    Returns
    -------
    int or None
        Number of the row; None if there is none.
    """
    if sparse.issparse(stored) != sparse.issparse(computed):
        return 0
    if stored.shape != computed.shape:
        return 0
    if sparse.issparse(stored):
        stored, computed = stored.toarray(), computed.toarray()
    same = stored == computed
    if stored.dtype.kind in "biufc" and computed.dtype.kind in "biufc":
        stored, computed = (np.asarray(some, complex) for some in (stored, computed))
        scale = np.where(np.isfinite(stored), abs(stored), 0)
        scale = scale.max(axis=tuple(range(1, stored.ndim)), keepdims=True)
        with np.errstate(invalid="ignore"):
            same |= abs(stored - computed) <= TOLERANCE * scale
        same |= np.isnan(stored) & np.isnan(computed)
    wrong = np.flatnonzero(~same.reshape(len(same), -1).all(axis=1))
    return int(wrong[0]) if len(wrong) else None

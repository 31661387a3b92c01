"""embed_to_file: embed a data set larger than memory into a file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from scipy import sparse

from sklearn_kmex._data.paths import path_to_write
from sklearn_kmex._data.samples import (
    as_samples,
    chunk_rows,
    len_of,
    numbered,
    run_part,
    take,
)
from sklearn_kmex.embedding._digests import row_digests
from sklearn_kmex.embedding._fingerprint import fingerprint
from sklearn_kmex.embedding._function import as_embeddings
from sklearn_kmex.embedding._lock import held_alone
from sklearn_kmex.embedding._probe import spread, unlike


def embed_to_file(
    embedder: Any, X: Any, path: str | os.PathLike, *, version: str | None = None
) -> NDArray:
    """Embed samples into a `.npy` file, which `KMExClassifier.fit` can read mapped.

    Samples are read and embedded in chunks. The file is created when it is complete;
    until then, results are in files next to it that end in ".part" and ".journal". If a
    call is interrupted, the next call resumes it: samples of finished chunks are read
    again to check that they are the same, but not embedded again, except for three of
    them, whose embeddings are compared. One call at a time writes a file.

    Read more in the :ref:`User Guide <embedding_cache>`.

    Parameters
    ----------
    embedder : estimator
        Fitted transformer or embedder.

    X : array-like, tensor, Dataset or list of n_samples samples
        Samples that the embedder takes. A memory-mapped array or a Dataset can be
        larger than memory.

    path : str or os.PathLike
        Where to save. An existing file is replaced.

    version : str, default=None
        Your name for the state of whatever the embedder has that cannot be hashed (see
        :class:`CachedEmbedder`).

    Returns
    -------
    numpy.memmap of shape (n_samples, n_features_out)
        The embeddings, mapped from the file.

    Raises
    ------
    ValueError
        If X is empty, or the files of an interrupted call are of another model or of
        other data.

    BlockingIOError
        If another call is writing this file.

    TypeError
        If the embedder has no `transform`, returns sparse embeddings, or contains
        objects that cannot be hashed and `version` is None.

    FileNotFoundError
        If the folder of the path does not exist.

    See Also
    --------
    CachedEmbedder : Caches embeddings by sample.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> from sklearn_kmex.embedding import MLPEmbedder, embed_to_file
    >>> X, y = load_iris(return_X_y=True)
    >>> mlp = MLPClassifier((8,), solver="lbfgs", max_iter=500, random_state=0)
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "iris.npy"
    ...     embeddings = embed_to_file(MLPEmbedder(mlp.fit(X, y)), X, path)
    ...     embeddings.shape
    (150, 8)
    """
    path = path_to_write(path)
    if not hasattr(embedder, "transform"):
        raise TypeError(
            "embedder must be a fitted transformer or an embedder; got "
            f"{type(embedder).__name__}, which has no transform. Wrap a network or "
            "forest in an embedder of sklearn_kmex.embedding."
        )
    part, journal = (path.with_name(path.name + end) for end in (".part", ".journal"))
    X = as_samples(X)
    n_samples = len_of(X)
    if n_samples == 0:
        raise ValueError("X must have at least one sample; got none.")
    head = {"model": fingerprint(embedder, version).hex(), "n_samples": n_samples}
    busy = f"{path} is being written by another call. Wait for it, or use another path."
    with held_alone(journal, busy):
        start = _resume(embedder.transform, part, journal, head, X)
        while start < n_samples:
            stop = min(start + chunk_rows(X), n_samples)
            rows = range(start, stop)
            line = {"stop": stop, "samples": _digest(X, rows)}
            embeddings = as_embeddings(run_part(embedder.transform, X, rows))
            _write_rows(part, start, n_samples, embeddings)
            _write_lines(journal, [head, line] if start == 0 else [line])
            start = stop
        os.replace(part, path)
    return np.load(path, mmap_mode="r")


def _resume(run: Callable, part: Path, journal: Path, head: dict, X: Any) -> int:
    """Check the files of an interrupted call; return the number of finished rows."""
    saved, *lines = _read_lines(journal) if part.exists() else [head]
    start, same = 0, not lines or saved == head
    for line in lines if same else ():
        same = same and line["samples"] == _digest(X, range(start, line["stop"]))
        start = line["stop"]
    if not same or (start and not _are_alike(run, part, X, start)):
        raise ValueError(
            f"{part.name} must be of the same model and data to be resumed, but it "
            f"is not. Use another path, or delete it and {journal.name}."
        )
    if start == 0:
        os.truncate(journal, 0)
    return start


def _are_alike(run: Callable, part: Path, X: Any, stop: int) -> bool:
    """Whether the model still gives the embeddings of a few finished rows."""
    with part.open("rb") as file:
        npy.read_magic(file)
        shape, _, dtype = npy.read_array_header_1_0(file)
        start = file.tell()
    found = np.memmap(part, dtype, "r", start, (stop, *shape[1:]))
    rows = spread(range(stop))
    return unlike(found[rows], as_embeddings(run_part(run, X, rows))) is None


def _digest(X: Any, rows: range) -> str:
    with numbered(rows):
        return hashlib.sha256(b"".join(row_digests(take(X, rows), b""))).hexdigest()


def _write_rows(part: Path, start: int, n_samples: int, rows: Any) -> None:
    """Write rows at their position, unmapped so that a full disk raises an error."""
    if sparse.issparse(rows):
        raise TypeError(
            "embedder must return dense embeddings to write a file; got sparse ones. "
            "Use CachedEmbedder."
        )
    rows = np.ascontiguousarray(rows)
    header = {"descr": rows.dtype.str, "fortran_order": False}
    header["shape"] = (n_samples, *rows.shape[1:])
    with part.open("r+b" if start else "wb") as file:
        if start:
            _check_header(file, header)
            file.seek(start * rows[0].nbytes, os.SEEK_CUR)
        else:
            npy.write_array_header_1_0(file, header)
        file.write(rows.data)
        file.flush()
        os.fsync(file.fileno())


def _check_header(file: Any, header: dict) -> None:
    """Check that a file has this header."""
    npy.read_magic(file)
    shape, _, dtype = npy.read_array_header_1_0(file)
    if (shape, dtype.str) != (header["shape"], header["descr"]):
        raise ValueError(
            "embedder must return as many columns, of one dtype, for all samples; got "
            f"shape {header['shape'][1:]} of {header['descr']} after {shape[1:]} of "
            f"{dtype.str}."
        )


def _write_lines(journal: Path, lines: list[dict]) -> None:
    with journal.open("a") as file:
        file.writelines(f"{json.dumps(line)}\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())


def _read_lines(journal: Path) -> list[dict]:
    """Read a journal, and remove an incomplete last line."""
    text = journal.read_bytes()
    complete = text[: text.rfind(b"\n") + 1]
    os.truncate(journal, len(complete))
    return [json.loads(line) for line in complete.splitlines()] or [{}]

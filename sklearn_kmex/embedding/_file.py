"""embed_to_file: a set larger than memory, embedded into a file."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from scipy import sparse

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


def embed_to_file(embedder: Any, X: Any, path: str | os.PathLike) -> NDArray:
    """Embed samples into a `.npy` file, which `KMExClassifier.fit` reads mapped.

    Samples are read and embedded a chunk at a time. `path` appears when it is whole;
    until then the work is in files beside it, ending in ".part" and ".journal", from
    which a call that was interrupted at any point is resumed by the next: chunks that
    were finished are read again, to see that they are the same, but not embedded.

    Read more in the :ref:`User Guide <embedding_cache>`.

    Parameters
    ----------
    embedder : estimator
        Fitted transformer or embedder.

    X : array-like, tensor, Dataset or list of n_samples samples
        Samples that the embedder takes; a memory-mapped array or a Dataset may be
        larger than memory.

    path : str or os.PathLike
        The file, replaced where it is there.

    Returns
    -------
    numpy.memmap of shape (n_samples, n_features_out)
        The embeddings, read from the file as they are used.

    Raises
    ------
    ValueError
        If X is empty, or what is there to be resumed is of another model or data.

    TypeError
        If the embeddings are sparse, or the embedder holds what cannot be hashed.

    See Also
    --------
    CachedEmbedder : Keeps embeddings by sample, for a search.

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
    path = Path(path)
    part, journal = (path.with_name(path.name + end) for end in (".part", ".journal"))
    X = as_samples(X)
    n_samples = len_of(X)
    if n_samples == 0:
        raise ValueError("X must hold at least one sample; got none.")
    head = {"model": fingerprint(embedder).hex(), "n_samples": n_samples}
    start = resume(part, journal, head, X)
    while start < n_samples:
        stop = min(start + chunk_rows(X), n_samples)
        rows = range(start, stop)
        line = {"stop": stop, "samples": digest(X, rows)}
        embeddings = run_part(embedder.transform, X, rows)
        write_rows(part, start, n_samples, embeddings)
        write_lines(journal, [head, line] if start == 0 else [line])
        start = stop
    os.replace(part, path)
    journal.unlink()
    return np.load(path, mmap_mode="r")


def resume(part: Path, journal: Path, head: dict, X: Any) -> int:
    """Check what an earlier call left against model and data; return where it ended."""
    begun, *lines = read_lines(journal) if part.exists() else [head]
    start = 0
    for line in lines:
        same = begun == head and line["samples"] == digest(
            X, range(start, line["stop"])
        )
        if not same:
            raise ValueError(
                f"{part.name} must be of the same model and data to be resumed, and it "
                f"is of another; give another path, or delete it and {journal.name}."
            )
        start = line["stop"]
    if start == 0:
        journal.unlink(missing_ok=True)
    return start


def digest(X: Any, rows: range) -> str:
    with numbered(rows):
        return hashlib.sha256(b"".join(row_digests(take(X, rows), b""))).hexdigest()


def write_rows(part: Path, start: int, n_samples: int, rows: Any) -> None:
    """Write rows at their place; not mapped, so that a full disk is told."""
    if sparse.issparse(rows):
        raise TypeError(
            "embedder must give dense embeddings to be written; got sparse."
        )
    rows = np.ascontiguousarray(rows)
    header = {"descr": rows.dtype.str, "fortran_order": False}
    header["shape"] = (n_samples, *rows.shape[1:])
    with part.open("r+b" if start else "wb") as file:
        if start:
            check_header(file, header)
            file.seek(start * rows[0].nbytes, os.SEEK_CUR)
        else:
            npy.write_array_header_1_0(file, header)
        file.write(rows.data)
        file.flush()
        os.fsync(file.fileno())


def check_header(file: Any, header: dict) -> None:
    """Read the header of a file, which must be this one."""
    npy.read_magic(file)
    shape, _, dtype = npy.read_array_header_1_0(file)
    if (shape, dtype.str) != (header["shape"], header["descr"]):
        raise ValueError(
            "embedder must give as many columns, of one dtype, for all samples; got "
            f"shape {header['shape'][1:]} of {header['descr']} after {shape[1:]} of "
            f"{dtype.str}."
        )


def write_lines(journal: Path, lines: list[dict]) -> None:
    with journal.open("a") as file:
        file.writelines(f"{json.dumps(line)}\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())


def read_lines(journal: Path) -> list[dict]:
    """Read a journal, and cut off a last line that was never finished."""
    journal.touch()
    text = journal.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    os.truncate(journal, len(whole))
    return [json.loads(line) for line in whole.splitlines()] or [{}]

"""A table of embeddings on disk, with one entry per sample, shared by processes."""

import hashlib
import json
import operator
import os
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import lru_cache, partial
from math import prod
from pathlib import Path
from threading import Event, Thread
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sklearn_kmex._data.samples import chunks, sparse_rows
from sklearn_kmex.exceptions import KMExWarning

TABLE = (
    "CREATE TABLE embeddings "
    "(key BLOB PRIMARY KEY, kind BLOB, numbers BLOB, digest BLOB)"
)
KEYS_PER_QUERY = 500
# A process that writes touches the file. Others wait as long as it does.
BEAT = 1.0  # seconds
PATIENCE = 30.0  # seconds
POLL = 0.02  # seconds


class Entry(NamedTuple):
    """Embedding of a sample: its format, dtype and shape as JSON, and its numbers."""

    kind: bytes
    numbers: bytes

    def digest(self, key: bytes) -> bytes:
        """Hash of the entry and its key."""
        return hashlib.sha256(b"\n".join((key, self.kind, self.numbers))).digest()


Entries = dict[bytes, Entry]


class CacheBusyError(OSError):
    """Another process has locked the file, and gives no sign of life."""


class Store:
    """Embeddings by key.

    Parameters
    ----------
    path : Path
        The file, which is created if it does not exist.

    Raises
    ------
    OSError
        If the file is not a table of embeddings, or cannot be written.

    CacheBusyError
        If another process holds the file, and has not touched it for `PATIENCE`
        seconds.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._connection() as connection:
            self._patiently(partial(_check_table, connection))

    def read(self, keys: Sequence[bytes]) -> Entries:
        """Return the entries of the keys that exist and are not damaged."""
        with self._connection() as connection:
            entries, damaged = self._patiently(partial(_select, connection, keys))
        if damaged:
            warnings.warn(
                f"{damaged} of {len(keys)} samples have damaged entries in the cache "
                f"{self.path}; they are embedded anew.",
                KMExWarning,
                stacklevel=2,
            )
        return entries

    @contextmanager
    def writing(self, keys: Sequence[bytes]) -> Iterator[Entries]:
        """Return entries while no other process can write, and write added ones."""
        with self._connection() as connection:
            self._patiently(partial(connection.execute, "BEGIN IMMEDIATE"))
            entries, _ = _select(connection, keys)
            known = set(entries)
            with self._signs_of_life():
                yield entries
            connection.executemany(
                "INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?, ?)",
                (
                    (key, *entry, entry.digest(key))
                    for key, entry in entries.items()
                    if key not in known
                ),
            )
            self._patiently(partial(connection.execute, "COMMIT"))

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            link = sqlite3.connect(self.path, timeout=0, isolation_level=None)
            with closing(link):
                link.text_factory = bytes
                link.execute("PRAGMA page_size = 65536")  # rows are long
                link.execute("PRAGMA cell_size_check = ON")
                link.execute("PRAGMA cache_spill = OFF")  # locks only when it commits
                yield link
        except sqlite3.Error as error:
            raise OSError(
                f"The cache {self.path} cannot be used: {error}. Delete it, or set "
                "memory to another folder."
            ) from error

    def _patiently(self, run: Callable[[], Any]) -> Any:
        """Run, and run again while a process that is alive has locked the file."""
        touched, end = -1, 0.0
        while True:
            try:
                return run()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
            before, touched = touched, self.path.stat().st_mtime_ns
            if touched != before:
                end = time.monotonic() + PATIENCE
            if time.monotonic() > end:
                raise CacheBusyError(
                    f"The cache {self.path} is locked by another process, which has "
                    f"given no sign of life for {PATIENCE:g} seconds."
                )
            time.sleep(POLL)

    @contextmanager
    def _signs_of_life(self) -> Iterator[None]:
        """Touch the file every second, from a thread."""
        done = Event()

        def touch() -> None:
            while not done.wait(BEAT):
                with suppress(OSError):
                    os.utime(self.path)

        thread = Thread(target=touch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def _check_table(connection: sqlite3.Connection) -> None:
    """Create the table, or check that there is nothing else in the file."""
    query = "SELECT type, sql FROM sqlite_master WHERE sql IS NOT NULL"
    found = connection.execute(query).fetchmany(2)
    if not found:
        connection.execute(TABLE.replace("TABLE", "TABLE IF NOT EXISTS"))
    elif found != [(b"table", TABLE.encode())]:
        raise sqlite3.DatabaseError("it is not a table of embeddings")


def _select(
    connection: sqlite3.Connection, keys: Sequence[bytes]
) -> tuple[Entries, int]:
    """Return entries, and how many more are there, but damaged."""
    entries: Entries = {}
    n_found = 0
    for chunk in chunks(keys, KEYS_PER_QUERY):
        marks = ",".join("?" * len(chunk))
        query = f"SELECT * FROM embeddings WHERE key IN ({marks})"
        for key, kind, numbers, digest in connection.execute(query, chunk):
            n_found += 1
            if {type(kind), type(numbers)} == {bytes}:
                entry = Entry(kind, numbers)
                if entry.digest(key) == digest and _is_sound(entry):
                    entries[key] = entry
    return entries, n_found - len(entries)


def _is_sound(entry: Entry) -> bool:
    """Whether the numbers of an entry are as many, and where, as its kind says."""
    try:
        form, dtype, shape = _kind(entry.kind)
    except (ValueError, TypeError):
        return False
    if form == "dense":
        return len(entry.numbers) == dtype.itemsize * prod(shape)
    columns, values = _columns_and_values(entry)
    inside = bool(((columns >= 0) & (columns < shape[0])).all())
    return inside and columns.nbytes + values.nbytes == len(entry.numbers)


@lru_cache(64)
def _kind(kind: bytes) -> tuple[str, np.dtype, tuple[int, ...]]:
    """Read a kind; raise an error if it is none."""
    form, name, shape = json.loads(kind)
    dtype = np.dtype(name)
    if form not in ("dense", "csr") or dtype.hasobject or not dtype.itemsize:
        raise ValueError(form, dtype)
    sizes = tuple(map(operator.index, shape))
    if min(sizes, default=0) < 0 or (form == "csr" and len(sizes) != 1):
        raise ValueError(sizes)
    return form, dtype, sizes


def _columns_and_values(entry: Entry) -> tuple[NDArray, NDArray]:
    _, dtype, _ = _kind(entry.kind)
    n = len(entry.numbers) // (8 + dtype.itemsize)
    columns = np.frombuffer(entry.numbers, np.int64, n)
    return columns, np.frombuffer(entry.numbers, dtype, n, 8 * n)


def pack(embeddings: Any) -> list[Entry]:
    """Convert the rows of an array or a sparse matrix to entries."""
    is_sparse = sparse.issparse(embeddings)
    dtype, shape = embeddings.dtype, embeddings.shape[1:]
    kind = json.dumps(["csr" if is_sparse else "dense", dtype.str, shape]).encode()
    if not is_sparse:
        return [Entry(kind, row.tobytes()) for row in embeddings]
    parts = sparse_rows(embeddings)
    return [Entry(kind, columns.tobytes() + data.tobytes()) for columns, data in parts]


def unpack(entries: Sequence[Entry]) -> Any:
    """Convert entries to the array or sparse matrix that they are rows of."""
    kinds = dict.fromkeys(_kind(entry.kind) for entry in entries)
    (form, _, shape), *others = kinds
    for other in others:
        if (form, shape) != (other[0], other[2]):
            raise ValueError(
                "embedder must return rows of one form and shape for all samples; got "
                f"{form} rows of shape {shape} and {other[0]} rows of shape {other[2]}."
            )
    if form == "csr":
        return _unpack_sparse(entries, shape)
    if not others:
        numbers = bytearray().join(entry.numbers for entry in entries)
        return np.frombuffer(numbers, _kind(entries[0].kind)[1]).reshape(-1, *shape)
    rows = [np.frombuffer(entry.numbers, _kind(entry.kind)[1]) for entry in entries]
    return np.stack(rows).reshape(-1, *shape)


def _unpack_sparse(entries: Sequence[Entry], shape: tuple[int, ...]) -> Any:
    pairs = [_columns_and_values(entry) for entry in entries]
    columns, values = map(np.concatenate, zip(*pairs, strict=True))
    ends = np.cumsum([0, *(len(found) for found, _ in pairs)])
    return sparse.csr_matrix((values, columns, ends), shape=(len(entries), *shape))

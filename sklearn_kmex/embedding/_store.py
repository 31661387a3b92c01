"""A table of embeddings on disk, with one entry per sample, shared by processes."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from sklearn_kmex._data.samples import chunks, sparse_rows

TABLE = (
    "CREATE TABLE IF NOT EXISTS embeddings "
    "(key BLOB PRIMARY KEY, kind TEXT, numbers BLOB) WITHOUT ROWID"
)
KEYS_PER_QUERY = 500
# Another process may run its encoder for long. A process that dies releases its lock.
TIMEOUT = 1e6  # seconds


class Entry(NamedTuple):
    """Embedding of a sample: its format, dtype and shape as JSON, and its numbers."""

    kind: str
    numbers: bytes


Entries = dict[bytes, Entry]

# Entries that were read recently from each file. The value of a key never changes.
RECENT: dict[Path, Entries] = {}
RECENT_BYTES = 2**27


class Store:
    """Embeddings by key, which are written once.

    Parameters
    ----------
    path : Path
        The file, which is created if it does not exist.

    Raises
    ------
    OSError
        If the file is not a table of embeddings, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._connection() as connection:
            connection.execute(TABLE)

    def read(self, keys: Sequence[bytes]) -> Entries:
        """Return the entries of the keys that exist."""
        recent = RECENT.get(self.path, {})
        others = [key for key in keys if key not in recent]
        with self._connection() as connection:
            entries = _select(connection, others)
        entries.update((key, recent[key]) for key in set(keys) & set(recent))
        self._remember(entries)
        return entries

    def _remember(self, entries: Entries) -> None:
        """Keep entries in memory, as long as all of them are small enough."""
        recent = {**RECENT.get(self.path, {}), **entries}
        size = sum(len(entry.numbers) for entry in recent.values())
        RECENT[self.path] = recent if size < RECENT_BYTES else {}

    @contextmanager
    def writing(self, keys: Sequence[bytes]) -> Iterator[Entries]:
        """Return entries while no other process can write, and write added ones."""
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            entries = _select(connection, keys)
            known = set(entries)
            yield entries
            connection.executemany(
                "INSERT INTO embeddings VALUES (?, ?, ?)",
                ((key, *entry) for key, entry in entries.items() if key not in known),
            )
            connection.execute("COMMIT")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            link = sqlite3.connect(self.path, timeout=TIMEOUT, isolation_level=None)
            with closing(link):
                yield link
        except sqlite3.Error as error:
            raise OSError(
                f"The cache {self.path} cannot be used: {error}. Delete it, or set "
                "memory to another folder."
            ) from error


def _select(connection: sqlite3.Connection, keys: Sequence[bytes]) -> Entries:
    entries: Entries = {}
    for chunk in chunks(keys, KEYS_PER_QUERY):
        marks = ",".join("?" * len(chunk))
        query = f"SELECT key, kind, numbers FROM embeddings WHERE key IN ({marks})"
        found = connection.execute(query, chunk)
        entries.update((key, Entry(*values)) for key, *values in found)
    return entries


def pack(embeddings: Any) -> list[Entry]:
    """Convert the rows of an array or a sparse matrix to entries."""
    is_sparse = sparse.issparse(embeddings)
    dtype, shape = embeddings.dtype, embeddings.shape[1:]
    kind = json.dumps(["csr" if is_sparse else "dense", dtype.str, shape])
    if not is_sparse:
        return [Entry(kind, row.tobytes()) for row in embeddings]
    parts = sparse_rows(embeddings)
    return [Entry(kind, columns.tobytes() + data.tobytes()) for columns, data in parts]


def unpack(entries: Sequence[Entry]) -> Any:
    """Convert entries to the array or sparse matrix that they are rows of."""
    form, dtype, shape = json.loads(entries[0].kind)
    if form == "dense":
        numbers = bytearray().join(entry.numbers for entry in entries)
        return np.frombuffer(numbers, dtype).reshape(len(entries), *shape)
    width = 8 + np.dtype(dtype).itemsize
    counts = [len(entry.numbers) // width for entry in entries]
    pairs = list(zip(entries, counts, strict=True))
    columns = [np.frombuffer(entry.numbers, np.int64, n) for entry, n in pairs]
    values = [np.frombuffer(entry.numbers, dtype, n, 8 * n) for entry, n in pairs]
    ends = np.cumsum([0, *counts])
    content = np.concatenate(values), np.concatenate(columns), ends
    return sparse.csr_matrix(content, shape=(len(entries), *shape))

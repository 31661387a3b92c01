"""A table of embeddings on disk, one row for each sample, shared by processes."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from sklearn_kmex._data.samples import sparse_rows

TABLE = (
    "CREATE TABLE IF NOT EXISTS embeddings "
    "(key BLOB PRIMARY KEY, kind TEXT, numbers BLOB) WITHOUT ROWID"
)
KEYS_AT_ONCE = 500
# Another process may run its encoder for long; one that dies releases its lock.
PATIENCE = 1e6  # seconds


class Row(NamedTuple):
    """Embedding of a sample: format, dtype and shape as JSON, and its numbers."""

    kind: str
    numbers: bytes


Rows = dict[bytes, Row]

# Rows read before, of each file. What a key stands for never changes.
RECENT: dict[Path, Rows] = {}
RECENT_BYTES = 2**27


class Store:
    """Embeddings by key, written once.

    Parameters
    ----------
    path : Path
        The file, made where it is not there.

    Raises
    ------
    OSError
        If the file is not such a table, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._connection() as connection:
            connection.execute(TABLE)

    def read(self, keys: Sequence[bytes]) -> Rows:
        """Look up the keys that are there."""
        recent = RECENT.get(self.path, {})
        others = [key for key in keys if key not in recent]
        with self._connection() as connection:
            rows = select(connection, others)
        rows.update((key, recent[key]) for key in set(keys) & set(recent))
        self._remember(rows)
        return rows

    def _remember(self, rows: Rows) -> None:
        """Keep rows at hand, those of the last calls alone where they are many."""
        recent = {**RECENT.get(self.path, {}), **rows}
        size = sum(len(row.numbers) for row in recent.values())
        RECENT[self.path] = recent if size < RECENT_BYTES else {}

    @contextmanager
    def writing(self, keys: Sequence[bytes]) -> Iterator[Rows]:
        """Look up keys while no other process may write; keep what is added."""
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            rows = select(connection, keys)
            known = set(rows)
            yield rows
            connection.executemany(
                "INSERT INTO embeddings VALUES (?, ?, ?)",
                ((key, *row) for key, row in rows.items() if key not in known),
            )
            connection.execute("COMMIT")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            link = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)
            with closing(link):
                yield link
        except sqlite3.Error as error:
            raise OSError(
                f"The cache {self.path} cannot be used: {error}. Delete it, or give "
                "memory another place."
            ) from error


def select(connection: sqlite3.Connection, keys: Sequence[bytes]) -> Rows:
    rows: Rows = {}
    for start in range(0, len(keys), KEYS_AT_ONCE):
        some = keys[start : start + KEYS_AT_ONCE]
        marks = ",".join("?" * len(some))
        query = f"SELECT key, kind, numbers FROM embeddings WHERE key IN ({marks})"
        rows.update((key, Row(*row)) for key, *row in connection.execute(query, some))
    return rows


def pack(embeddings: Any) -> list[Row]:
    """Take an array or a sparse matrix apart into rows."""
    is_sparse = sparse.issparse(embeddings)
    dtype, shape = embeddings.dtype, embeddings.shape[1:]
    kind = json.dumps(["csr" if is_sparse else "dense", dtype.str, shape])
    if not is_sparse:
        return [Row(kind, row.tobytes()) for row in embeddings]
    parts = sparse_rows(embeddings)
    return [Row(kind, columns.tobytes() + data.tobytes()) for columns, data in parts]


def unpack(rows: Sequence[Row]) -> Any:
    """Put rows together to what they were taken from."""
    form, dtype, shape = json.loads(rows[0].kind)
    if form == "dense":
        numbers = bytearray().join(row.numbers for row in rows)
        return np.frombuffer(numbers, dtype).reshape(len(rows), *shape)
    width = 8 + np.dtype(dtype).itemsize
    counts = [len(row.numbers) // width for row in rows]
    pairs = list(zip(rows, counts, strict=True))
    columns = [np.frombuffer(row.numbers, np.int64, n) for row, n in pairs]
    values = [np.frombuffer(row.numbers, dtype, n, 8 * n) for row, n in pairs]
    ends = np.cumsum([0, *counts])
    content = np.concatenate(values), np.concatenate(columns), ends
    return sparse.csr_matrix(content, shape=(len(rows), *shape))

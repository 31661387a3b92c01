"""The file of a cache: damage is found, waiting ends, and memory is not kept."""

import multiprocessing
import os
import random
import signal
import sqlite3
import threading
import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from sklearn_kmex.embedding._store import CacheBusyError, Entry, Store, pack, unpack

ROWS = np.random.RandomState(0).rand(40, 20)
KEYS = [bytes([i]) * 32 for i in range(len(ROWS))]


def written(path, rows=ROWS):
    store = Store(path)
    with store.writing(KEYS) as entries:
        entries.update(zip(KEYS, pack(rows), strict=True))
    return store


@pytest.fixture
def path(tmp_path):
    return tmp_path / "embeddings.sqlite"


def change(path, query, *values):
    with sqlite3.connect(path) as connection:
        connection.execute(query, values)
    connection.close()


@pytest.mark.parametrize("rows", [ROWS, sparse.csr_matrix(ROWS > 0.5, dtype=float)])
@pytest.mark.filterwarnings("ignore:.* have damaged entries")
def test_no_damage_gives_wrong_numbers(path, rows):
    written(path, rows)
    whole, expected = path.read_bytes(), pack(rows)
    chance = random.Random(0)
    used = [place for place, byte in enumerate(whole) if byte]
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[chance.choice(used)] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        try:
            found = Store(path).read(KEYS)
        except OSError:
            refused += 1
            continue
        for key, entry in found.items():
            assert entry == expected[KEYS.index(key)]
    assert refused < 100


def test_damaged_rows_are_told_and_written_anew(path):
    store = written(path)
    change(path, "UPDATE embeddings SET numbers = ? WHERE key = ?", b"1", KEYS[3])
    change(path, "UPDATE embeddings SET numbers = 7 WHERE key = ?", KEYS[4])
    change(path, "UPDATE embeddings SET key = ? WHERE key = ?", b"moved", KEYS[5])
    with pytest.warns(
        UserWarning, match=r"2 of 40 samples have damaged entries .*anew"
    ):
        found = store.read(KEYS)
    assert found.keys() == set(KEYS) - set(KEYS[3:6])
    with pytest.warns(UserWarning, match="1 of 1"):
        assert store.read([b"moved"]) == {}
    written(path)
    assert_array_equal(unpack([store.read(KEYS)[key] for key in KEYS]), ROWS)


@pytest.mark.parametrize(
    "entry",
    [
        Entry(b'["csr", "<f8", [3]]', np.int64(9).tobytes() + bytes(8)),
        Entry(b'["csr", "<f8", [3]]', np.int64(-1).tobytes() + bytes(8)),
        Entry(b'["csr", "<f8", [3]]', bytes(9)),
        Entry(b'["csr", "<f8", [3, 3]]', bytes(16)),
        Entry(b'["dense", "<f8", [1000000000]]', bytes(8)),
        Entry(b'["dense", "<f8", [-1, -1]]', bytes(8)),
        Entry(b'["dense", "O", [1]]', bytes(8)),
        Entry(b'["dense", "no dtype", [1]]', bytes(8)),
        Entry(b'["other", "<f8", [1]]', bytes(8)),
        Entry(b"no kind", bytes(8)),
    ],
)
def test_impossible_rows_with_a_right_hash_are_damaged_rows(path, entry):
    store = written(path)
    row = (*entry, entry.digest(KEYS[0]), KEYS[0])
    change(path, "UPDATE embeddings SET kind=?, numbers=?, digest=? WHERE key=?", *row)
    with pytest.warns(UserWarning, match="1 of 40"):
        assert KEYS[0] not in store.read(KEYS)


@pytest.mark.parametrize(
    "query",
    [
        "CREATE VIEW embeddings AS WITH RECURSIVE n(key) AS (SELECT 1 UNION ALL SELECT "
        "key FROM n) SELECT key, key AS kind, key AS numbers, key AS digest FROM n",
        "CREATE TABLE embeddings (key BLOB)",
        "CREATE TABLE others (key BLOB)",
    ],
)
def test_a_file_with_anything_else_is_refused(path, query):
    change(path, query)
    with pytest.raises(OSError, match=r"is not a table of embeddings\. Delete it"):
        Store(path)


def hold(path, held):
    with Store(path).writing(KEYS):
        held.set()
        time.sleep(60)


@pytest.fixture
def writer(path):
    """A process that holds the file."""
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    process = context.Process(target=hold, args=(path, held))
    process.start()
    assert held.wait(60)
    yield process
    process.kill()
    process.join()


@pytest.mark.skipif(os.name == "nt", reason="processes cannot be stopped")
def test_a_stopped_writer_is_waited_for_until_it_has_given_no_sign(
    path, writer, monkeypatch
):
    monkeypatch.setattr("sklearn_kmex.embedding._store.PATIENCE", 2.0)
    started = time.monotonic()
    thread = threading.Timer(4, os.kill, (writer.pid, signal.SIGSTOP))
    thread.start()
    with (
        pytest.raises(CacheBusyError, match="no sign of life for 2 seconds"),
        Store(path).writing(KEYS),
    ):
        pass
    waited = time.monotonic() - started
    assert 4 < waited < 20  # as long as it ran, and not much longer
    assert Store(path).read(KEYS) == {}  # a reader need not wait


@pytest.mark.skipif(os.name == "nt", reason="no signals")
def test_waiting_can_be_interrupted(path, writer):
    main = threading.main_thread().ident
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(1, signal.pthread_kill, (main, signal.SIGINT)).start()
    started = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt), Store(path).writing(KEYS):
            pass
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - started < 5


def test_rows_of_several_dtypes_are_promoted_and_of_several_shapes_refused():
    entries = [*pack(np.array([[1, 2]])), *pack(np.array([[0.5, 2.5]]))]
    assert_array_equal(unpack(entries), [[1, 2], [0.5, 2.5]])
    with pytest.raises(ValueError, match=r"one form and shape .* \(2,\) and .* \(3,\)"):
        unpack([*pack(np.ones((1, 2))), *pack(np.ones((1, 3)))])

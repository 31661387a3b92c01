"""embed_to_file: complete or absent, and resumed without lost or repeated rows."""

import os
import shutil
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from threading import Event

import numpy as np
import pytest
from encoders import Dying, Logging, run_in_process
from numpy.testing import assert_array_equal
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

from sklearn_kmex import KMExClassifier
from sklearn_kmex.embedding import CachedEmbedder, TreeEmbedder, embed_to_file

ROWS = 8
PROBED = 3  # embedded again where a call is resumed, or finds cached rows


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr("sklearn_kmex._data.samples.CHUNK_ROWS", (ROWS, ROWS))


def frozen(function):
    return FrozenEstimator(FunctionTransformer(function))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def logging(tmp_path):
    return Logging(tmp_path / "log")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_the_file_contains_the_result_of_transform(digits, folder):
    X, X_test, y, y_test = digits
    X = X.astype(np.float32)
    embeddings = embed_to_file(frozen(np.sqrt), X, folder / "train.npy")
    assert isinstance(embeddings, np.memmap)
    assert_array_equal(embeddings, np.sqrt(X), strict=True)
    assert_array_equal(np.load(folder / "train.npy"), embeddings)
    assert names(folder) == ["train.npy"]
    mapped = KMExClassifier(3, random_state=0).fit(embeddings, y)
    loaded = KMExClassifier(3, random_state=0).fit(np.sqrt(X), y)
    assert_array_equal(mapped.prototypes_, loaded.prototypes_)
    assert mapped.score(np.sqrt(X_test), y_test) > 0.9


class Killed(BaseException):
    """Simulates the end of the process."""


def kill_at(monkeypatch, count):
    """End the process at the n-th write to disk."""
    left = iter([True] * count)

    def or_die(function):
        def wrapped(*args, **kwargs):
            if not next(left, False):
                raise Killed
            return function(*args, **kwargs)

        return wrapped

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, or_die(getattr(os, name)))


def test_a_call_that_was_killed_is_resumed(digits, folder, tmp_path, monkeypatch):
    X = digits[0][: 5 * ROWS - 3]
    for count in range(12):  # two for each chunk, and one for the rename
        path, logging = folder / f"{count}.npy", Logging(tmp_path / f"log{count}")
        with monkeypatch.context() as patch:
            kill_at(patch, count)
            if count < 11:
                with pytest.raises(Killed):
                    embed_to_file(frozen(logging), X, path)
                assert not path.exists()
            else:
                embed_to_file(frozen(logging), X, path)
        if count == 11:
            break
        assert_array_equal(embed_to_file(frozen(logging), X, path), np.sqrt(X))
        again = len(logging.rows_met()) - len(X)
        assert 0 <= again <= ROWS + PROBED
        assert not list(folder.glob("*.part*")) + list(folder.glob("*.journal"))


def test_a_process_that_was_killed_is_resumed_by_another(digits, tmp_path, folder):
    X, path = np.tile(digits[0], (4, 1)), folder / "X.npy"
    dying = Dying(tmp_path / "log", enough=len(X))  # in its second chunk
    assert run_in_process(embed_to_file, frozen(dying), X, path) == 9
    assert names(folder) == ["X.npy.journal", "X.npy.part"]
    assert_array_equal(embed_to_file(frozen(dying), X, path), np.sqrt(X))
    twice = len(X) - 4_096
    assert len(dying.rows_met()) == len(X) + twice + PROBED


def test_an_incomplete_last_line_loses_only_its_chunk(
    digits, folder, logging, monkeypatch
):
    X = digits[0][: 3 * ROWS]
    with monkeypatch.context() as patch:
        kill_at(patch, 5)
        with pytest.raises(Killed):
            embed_to_file(frozen(logging), X, folder / "X.npy")
    journal = (folder / "X.npy.journal").read_bytes()
    shutil.copytree(folder, folder / "kept")
    for length in range(len(journal)):
        for name in ("X.npy.part", "X.npy.journal"):
            shutil.copy(folder / "kept" / name, folder / name)
        (folder / "X.npy.journal").write_bytes(journal[:length])
        found = embed_to_file(frozen(logging), X, folder / "X.npy")
        assert_array_equal(found, np.sqrt(X))
        assert names(folder) == ["X.npy", "kept"]


def test_another_model_or_set_is_refused(digits, folder, logging, monkeypatch):
    X, path = digits[0][: 3 * ROWS], folder / "X.npy"
    embed_to_file(frozen(np.square), X, path)
    with monkeypatch.context() as patch:
        kill_at(patch, 3)
        with pytest.raises(Killed):
            embed_to_file(frozen(logging), X, path)
    others = [X[::-1], X[:-1], np.r_[X[: ROWS + 1], X[:ROWS], X[ROWS + 1 :]]]
    for other in others:
        with pytest.raises(ValueError, match=r"X.npy.part must be of the same model"):
            embed_to_file(frozen(logging), other, path)
    logging.weight = 2.0
    with pytest.raises(ValueError, match=r"delete it and X.npy.journal"):
        embed_to_file(frozen(logging), X, path)
    assert_array_equal(np.load(path), np.square(X))  # as it was before
    logging.weight = 1.0
    assert_array_equal(embed_to_file(frozen(logging), X, path), np.sqrt(X))
    assert len(logging.rows_met()) == len(X) + PROBED


def test_a_dataset_that_raises_in_the_middle_loses_nothing(digits, folder):
    torch = pytest.importorskip("torch")
    from sklearn_kmex.embedding import TorchEmbedder

    class Torn(torch.utils.data.Dataset):
        def __init__(self, torn):
            self.torn = torn

        def __len__(self):
            return 30

        def __getitem__(self, index):
            if index == self.torn:
                raise OSError("disk on fire")
            return torch.full((4,), float(index)), 0

    network = torch.nn.Sequential(torch.nn.Identity())
    embedder, path = TorchEmbedder(network, "0"), folder / "X.npy"
    path.write_bytes(b"of earlier work")
    with pytest.raises(ValueError, match=r"Sample 21 of X could not be .*disk on fire"):
        embed_to_file(embedder, Torn(21), path)
    assert path.read_bytes() == b"of earlier work"
    found = embed_to_file(embedder, Torn(None), path)
    assert_array_equal(found[:, 0], np.arange(30))
    bad = np.ones((30, 4), dtype=np.float32)
    bad[17] = 3e38
    total = torch.nn.Sequential(torch.nn.Linear(4, 1))
    torch.nn.init.ones_(total[0].weight)
    with pytest.raises(ValueError, match=r"finite .* rows 17\."):
        embed_to_file(TorchEmbedder(total, "0"), bad, folder / "bad.npy")
    assert not (folder / "bad.npy").exists()


def test_a_cached_embedder_can_embed(digits, folder, tmp_path, logging):
    X = digits[0][:20]
    cached = CachedEmbedder(frozen(logging), tmp_path / "memory").fit(X)
    assert_array_equal(embed_to_file(cached, X, folder / "X.npy"), np.sqrt(X))
    assert len(logging.rows_met()) == 20 + PROBED


def test_a_change_that_no_hash_follows_is_found(digits, folder, monkeypatch):
    X, path, gain = digits[0][: 3 * ROWS], folder / "X.npy", folder / "gain"
    gain.write_text("1")

    class Reading:
        def __init__(self, path):
            self.path = path

        def __call__(self, X):
            return X * float(self.path.read_text())

    with monkeypatch.context() as patch:
        kill_at(patch, 3)
        with pytest.raises(Killed):
            embed_to_file(frozen(Reading(gain)), X, path)
    gain.write_text("2")
    with pytest.raises(ValueError, match="must be of the same model and data"):
        embed_to_file(frozen(Reading(gain)), X, path)
    gain.write_text("1")
    assert_array_equal(embed_to_file(frozen(Reading(gain)), X, path), X)


def test_one_call_at_a_time_writes_a_file(digits, folder):
    X, path = digits[0][: 3 * ROWS], folder / "X.npy"
    started, go_on = Event(), Event()

    class Slow:
        def transform(self, X):
            started.set()
            assert go_on.wait(60)
            return np.sqrt(X)

    with ThreadPoolExecutor() as threads:
        first = threads.submit(embed_to_file, Slow(), X, path, version="a")
        assert started.wait(60)
        for embedder in (Slow(), frozen(np.square)):
            with pytest.raises(
                BlockingIOError, match=r"X.npy is being written by anot"
            ):
                embed_to_file(embedder, X, path, version="a")
        go_on.set()
        assert_array_equal(first.result(), np.sqrt(X))
    assert names(folder) == ["X.npy"]
    assert_array_equal(embed_to_file(frozen(np.square), X, path), np.square(X))


@pytest.mark.slow
def test_many_processes_leave_the_rows_of_one_model(digits, folder):
    X, path = digits[0], folder / "X.npy"
    functions = [np.sqrt, np.square] * 3
    with ProcessPoolExecutor(3, get_context("spawn")) as processes:
        calls = [processes.submit(embed_to_file, frozen(f), X, path) for f in functions]
    for call in calls:
        assert isinstance(call.exception(), BlockingIOError | None)
    assert names(folder) == ["X.npy"]
    found = np.load(path)
    assert any(np.array_equal(found, function(X)) for function in functions)


def test_refusals(digits, folder):
    X, _, y, _ = digits
    with pytest.raises(ValueError, match="at least one sample; got none"):
        embed_to_file(frozen(np.sqrt), X[:0], folder / "X.npy")
    forest = RandomForestClassifier(3, random_state=0).fit(X, y)
    leaves = TreeEmbedder(forest, leaves="identity")
    with pytest.raises(TypeError, match=r"dense embeddings .* got sparse"):
        embed_to_file(leaves, X, folder / "X.npy")
    widening = frozen(lambda X: X if X[0, 0] == 0 else X[:, :3])
    growing = np.r_[np.zeros((ROWS, 4)), np.ones((ROWS, 4))]
    with pytest.raises(ValueError, match=r"as many columns.*got shape \(3,\)"):
        embed_to_file(widening, growing, folder / "Y.npy")
    with pytest.raises(ValueError, match="one row for each sample; it gave 7 for 8"):
        embed_to_file(frozen(lambda X: X[1:]), X, folder / "Z.npy")
    with pytest.raises(FileNotFoundError, match=r"nowhere/X.npy'. Create the folder"):
        embed_to_file(frozen(np.sqrt), X, folder / "nowhere" / "X.npy")
    with pytest.raises(TypeError, match=r"got LogisticRegression, .* no transform"):
        embed_to_file(LogisticRegression(), X, folder / "X.npy")
    assert not list(folder.glob("*.npy"))

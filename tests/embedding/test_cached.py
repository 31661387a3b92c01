"""CachedEmbedder: each distinct sample is embedded once, and never out of date."""

import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
from encoders import Dying, Logging, run_in_process
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from joblib import Memory
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_kmex import make_kmex
from sklearn_kmex.embedding import (
    CachedEmbedder,
    MLPEmbedder,
    TorchEmbedder,
    TreeEmbedder,
)

PROBED = 3  # embedded again where a process finds rows of a model for the first time


def frozen(function):
    return FrozenEstimator(FunctionTransformer(function))


@pytest.fixture
def logging(tmp_path):
    return Logging(tmp_path / "log")


@pytest.fixture
def memory(tmp_path):
    return tmp_path / "memory"


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr("sklearn_kmex._data.samples.CHUNK_ROWS", (16, 16))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_search_runs_the_encoder_once(digits, logging, memory, n_jobs):
    X, X_test, y, _ = digits
    X, y = np.concatenate([X[:300], X[:20]]), np.concatenate([y[:300], y[:20]])
    grid = {"kmex__n_prototypes": [1, 2, 4]}

    def search(model, **params):
        psem = make_kmex(model, random_state=0, **params)
        return GridSearchCV(psem, grid, cv=3, n_jobs=n_jobs).fit(X, y)

    plain, cached = search(np.sqrt), search(logging, memory=memory)
    for score in ("mean_test_score", "std_test_score"):
        assert_array_equal(cached.cv_results_[score], plain.cv_results_[score])
    assert_array_equal(cached.predict(X_test), plain.predict(X_test))
    met = logging.rows_met()
    assert len(set(met)) == len(np.unique(np.concatenate([X, X_test]), axis=0))
    assert len(met) - len(set(met)) <= (n_jobs + 1) * PROBED  # once in each process


def test_threads_wait_for_each_other(digits, logging, memory, small_chunks):
    X = digits[0]
    embedder = CachedEmbedder(frozen(logging), memory)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(embedder.transform, [X, X[::-1], X[50:], X]))
    assert_array_equal(found[1], np.sqrt(X)[::-1])
    assert_array_equal(found[2], np.sqrt(X)[50:])
    met = logging.rows_met()
    assert len(set(met)) == len(X)
    assert len(met) - len(set(met)) <= 4 * PROBED


def test_a_process_that_dies_does_not_block_others(digits, tmp_path, memory):
    X, dying = digits[0], Dying(tmp_path / "log", enough=1)
    embedder = CachedEmbedder(frozen(dying), memory)
    assert run_in_process(embedder.transform, X) == 9
    assert_array_equal(embedder.transform(X), np.sqrt(X))
    assert run_in_process(embedder.transform, X) == 0
    assert len(dying.rows_met()) == 2 * len(X) + PROBED  # these in the last process


@pytest.mark.parametrize("memory", [None, Memory(None)])
def test_without_memory_nothing_is_cached(digits, logging, memory):
    embedder = CachedEmbedder(frozen(logging), memory)
    for _ in range(2):
        embedder.transform(digits[0][:10])
    assert len(logging.rows_met()) == 20


def test_clearing_the_memory_of_joblib_clears_the_cache(digits, logging, tmp_path):
    memory = Memory(tmp_path / "memory", verbose=0)
    embedder = CachedEmbedder(frozen(logging), memory).fit(digits[0][:10])
    assert list(tmp_path.glob("memory/**/*.sqlite"))
    memory.clear(warn=False)
    assert not list(tmp_path.glob("memory/**/*.sqlite"))
    embedder.transform(digits[0][:20])
    assert list(tmp_path.glob("memory/**/*.sqlite"))


def test_another_weight_is_another_embedding(digits, logging, memory):
    X = digits[0][:30]
    embedder = CachedEmbedder(frozen(logging), memory)
    assert_array_equal(embedder.transform(X), np.sqrt(X))
    logging.weight = 2.0
    assert_array_equal(embedder.transform(X), 2 * np.sqrt(X))
    logging.weight = 1.0
    assert_array_equal(embedder.transform(X), np.sqrt(X))
    assert len(logging.rows_met()) == 60 + PROBED


def test_the_smallest_change_of_a_row_is_another_row(digits, logging, memory):
    X = digits[0][:30]
    embedder = CachedEmbedder(frozen(logging), memory).fit(X)
    X = X.copy()
    X[7, 3] = np.nextafter(X[7, 3], 99)
    assert_array_equal(embedder.transform(X), np.sqrt(X))
    assert len(logging.rows_met()) == 31 + PROBED
    # The same bytes in another shape, and the same numbers in another dtype.
    assert embedder.transform(X.reshape(-1, 8, 8)).shape == (30, 8, 8)
    assert embedder.transform(X.astype(np.float32)).dtype == np.float32


GAIN = 1.0


def gained(X):
    return GAIN * X


def calls_gained(X):
    return [gained][0](X)


def test_code_of_the_user_counts_as_weights(digits, memory, monkeypatch):
    X = digits[0][:5]
    for gain in (1.0, 3.0):
        monkeypatch.setitem(globals(), "GAIN", gain)
        closure = lambda X: gain * X + 0  # noqa: E731, B023
        for function in (gained, calls_gained, closure, partial(np.multiply, gain)):
            embedder = CachedEmbedder(frozen(function), memory)
            assert_array_equal(embedder.transform(X), gain * X)
    for shift in (lambda X: X + 1, lambda X: X + 2, lambda X: X - 1):
        embedder = CachedEmbedder(frozen(shift), memory)
        assert_array_equal(embedder.transform(X), shift(X))


def test_output_of_the_model_is_cached_besides_its_embedding(digits, memory):
    X, _, y, _ = digits
    mlp = MLPClassifier((16,), solver="lbfgs", max_iter=3_000, random_state=0).fit(X, y)
    embedder = CachedEmbedder(MLPEmbedder(mlp), memory)
    for _ in range(2):
        assert_array_equal(embedder.transform(X), MLPEmbedder(mlp).transform(X))
        assert_array_equal(embedder.black_box_output(X), mlp.predict_proba(X))
    assert not hasattr(CachedEmbedder(frozen(np.sqrt)), "black_box_output")
    piped = make_kmex(make_pipeline(StandardScaler().fit(X), mlp), memory=memory)
    direct = mlp.predict_proba(StandardScaler().fit_transform(X))
    assert_array_equal(piped["embed"].black_box_output(X), direct)


def test_leaves_stay_sparse(digits, memory):
    X, X_test, y, _ = digits
    forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    trees = TreeEmbedder(forest, leaves="identity")
    embedder = CachedEmbedder(trees, memory).fit(X)
    kept, new = embedder.transform(X_test), trees.transform(X_test)
    assert sparse.issparse(kept)
    assert kept.shape == new.shape
    assert (kept != new).nnz == 0


def test_out_of_bag_embeddings_with_a_cache(digits, memory):
    X, X_test, y, _ = digits
    for forest in (
        RandomForestClassifier(10, max_depth=5, random_state=0),
        make_pipeline(StandardScaler(), RandomForestClassifier(10, random_state=0)),
    ):
        forest.fit(X, y)
        cached, plain = make_kmex(forest, memory=memory)[0], make_kmex(forest)[0]
        found, seen = cached.fit_transform(X), cached.transform(X)
        assert_array_equal(found, plain.fit_transform(X))
        assert_array_equal(seen, plain.transform(X))
        assert (found != seen).mean() > 0.05
    psem = make_kmex(forest, memory=memory, random_state=0).fit(X, y)
    plain = make_kmex(forest, random_state=0).fit(X, y)
    assert_array_equal(psem.predict_proba(X_test), plain.predict_proba(X_test))


def test_columns_of_a_frame_count(digits, memory):
    values = digits[0][:20, 2:5]
    for kind in (pd.DataFrame, pl.DataFrame):
        embedder = CachedEmbedder(frozen(lambda X: np.asarray(X) * 1), memory)
        frame = (
            kind(values, ["a", "b", "c"])
            if kind is pl.DataFrame
            else kind(values, columns=["a", "b", "c"])
        )
        renamed = (
            frame.rename({"a": "b", "b": "a"})
            if kind is pl.DataFrame
            else (frame.rename(columns={"a": "b", "b": "a"}))
        )
        assert_array_equal(embedder.transform(frame), values)
        by_name = CachedEmbedder(frozen(lambda X: np.asarray(X[["a", "c"]])), memory)
        assert_array_equal(by_name.transform(frame), values[:, [0, 2]])
        assert_array_equal(by_name.transform(renamed), values[:, [1, 2]])
    mixed = pd.DataFrame({"kind": ["u", "v", "u"], "size": [1.0, np.nan, 1.0]})
    sizes = CachedEmbedder(frozen(lambda X: np.asarray(X[["size"]])), memory)
    for _ in range(2):
        assert_array_equal(sizes.transform(mixed), [[1], [np.nan], [1]])


def test_texts_paths_and_sparse_rows(tmp_path, memory):
    length = CachedEmbedder(frozen(lambda X: np.array([[len(x)] for x in X])), memory)
    texts = ["a", "bb", "c" * 9_000, "bb"]
    for some in (texts, np.array(texts), np.array(texts, dtype=object)):
        assert_array_equal(length.transform(some), [[1], [2], [9_000], [2]])

    size = CachedEmbedder(
        frozen(lambda X: np.array([[len(p.read_bytes())] for p in X])), memory
    )
    paths = [tmp_path / "one", tmp_path / "two"]
    for n_bytes in (5, 7):
        paths[0].write_bytes(b"1" * n_bytes)
        paths[1].write_bytes(b"2")
        assert_array_equal(size.transform(paths), [[n_bytes], [1]])

    rows = sparse.random(30, 8, 0.3, format="csr", random_state=0)
    total = CachedEmbedder(
        FrozenEstimator(FunctionTransformer(lambda X: X * 2, accept_sparse=True)),
        memory,
    )
    for some in (rows, rows[::-1], rows[:3]):
        assert (total.transform(some) != 2 * some).nnz == 0


@given(
    X=hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_]),
        hnp.array_shapes(min_dims=2, max_dims=4, min_side=1, max_side=5),
    ),
    seed=st.integers(0, 99),
)
def test_rows_have_the_order_of_x(tmp_path_factory, X, seed):
    memory = tmp_path_factory.getbasetemp() / "of_all_examples"
    embedder = CachedEmbedder(frozen(lambda X: X[..., ::-1]), memory)
    rows = np.random.RandomState(seed).randint(len(X), size=2 * len(X))
    found = embedder.transform(X[rows])
    assert found.dtype == X.dtype
    assert_array_equal(found, X[rows][..., ::-1])


def test_settings_of_a_module_count(digits, memory):
    torch = pytest.importorskip("torch")

    class Shifted(torch.nn.Module):
        def __init__(self, by):
            super().__init__()
            self.by, self.inner = by, torch.nn.Identity()

        def forward(self, X):
            return self.inner(X + (9.0 if self.by is None else self.by))

    X = digits[0][:5].astype(np.float32)
    for by in (0, None, torch.arange(64.0), torch.ones(64)):
        embedder = TorchEmbedder(Shifted(by), "inner")
        kept = CachedEmbedder(embedder, memory).fit_transform(X)
        assert_array_equal(kept, embedder.transform(X))


def test_texts_of_a_series_are_read_by_position(memory):
    texts = pd.Series(["aaa", "b", "cc"], index=[2, 0, 1])
    length = frozen(lambda X: np.array([[len(text)] for text in X]))
    embedder = CachedEmbedder(length, memory)
    assert_array_equal(embedder.fit_transform(texts), [[3], [1], [2]])
    assert_array_equal(embedder.transform(texts[1:]), [[1], [2]])


def test_errors_name_rows_of_x(digits, memory, small_chunks):
    torch = pytest.importorskip("torch")
    X = digits[0].astype(np.float32)
    network = torch.nn.Sequential(torch.nn.Linear(64, 2))
    torch.nn.init.ones_(network[0].weight)
    embedder = CachedEmbedder(TorchEmbedder(network, "0"), memory)
    embedder.fit(X[:40])
    X[[60, 61, 99], 1:] = np.float32(3e38)
    X[[60, 61, 99], 0] = 1, 2, 3
    with pytest.raises(ValueError, match=r"NaN or infinite for rows 60, 61\."):
        embedder.transform(X)
    X[60] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        embedder.transform(X)
    fewer = CachedEmbedder(frozen(lambda X: X[:-1]), memory)
    with pytest.raises(ValueError, match=r"one row for each sample; it gave 15 for 16"):
        fewer.transform(digits[0])


def test_a_dataset_is_identified_by_its_samples(digits, logging, memory):
    torch = pytest.importorskip("torch")
    rows = torch.from_numpy(digits[0][:50].astype(np.float32))
    linear = torch.nn.Linear(64, 3)
    embedder = CachedEmbedder(TorchEmbedder(torch.nn.Sequential(linear), "0"), memory)
    expected = linear(rows).detach().numpy()
    labelled = torch.utils.data.TensorDataset(rows, torch.arange(50))
    for X in (rows, labelled, list(rows), torch.utils.data.Subset(labelled, range(9))):
        assert_allclose(embedder.transform(X), expected[: len(X)], rtol=1e-5)
    with torch.no_grad():
        linear.weight[0, 0] += 1
    expected = linear(rows).detach().numpy()
    assert_allclose(embedder.transform(labelled), expected, rtol=1e-5)

    class Torn(torch.utils.data.Dataset):
        def __len__(self):
            return 50

        def __getitem__(self, index):
            if index == 33:
                raise OSError("disk on fire")
            return rows[index] + 1

    with pytest.raises(ValueError, match=r"Sample 33 of X could not .*disk on fire"):
        embedder.transform(Torn())


def test_each_setting_of_a_network_counts(digits, memory):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    images = digits[0][:20].reshape(-1, 1, 8, 8).astype(np.float32)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.ReLU()
    )
    plain = TorchEmbedder(network, "2")
    changes = [
        lambda: None,
        lambda: network[0].weight.data.mul_(2),
        lambda: network[1].running_mean.add_(0.5),
        lambda: setattr(network[1], "eps", 0.1),
        lambda: plain.set_params(layer="1"),
        lambda: plain.set_params(pooling="flatten"),
        lambda: plain.set_params(preprocess=lambda image: torch.tensor(image * 2)),
        lambda: plain.set_params(preprocess=lambda image: torch.tensor(image * 3)),
        lambda: plain.set_params(precision="bfloat16"),
        lambda: network.__setitem__(1, torch.nn.Identity()),
    ]
    before = None
    for change in changes:
        change()
        kept = CachedEmbedder(plain, memory).transform(images)
        assert_array_equal(kept, plain.transform(images))
        assert before is None or not np.array_equal(kept, before)
        before = kept


class Reading:
    """Multiplies by the number in a file, which no fingerprint follows."""

    def __init__(self, path):
        self.path = path

    def __call__(self, X):
        return X * float(self.path.read_text())


def test_a_change_that_no_hash_follows_is_found(digits, memory, tmp_path):
    X, path = digits[0][:20], tmp_path / "gain.txt"
    path.write_text("1")
    embedder = CachedEmbedder(frozen(Reading(path)), memory)
    assert_array_equal(embedder.transform(X), X)
    path.write_text("1.2")
    for some in (X, X[5:9]):
        with pytest.raises(ValueError, match=r"sample \d of X .* set version to a new"):
            embedder.transform(some)
    embedder.set_params(version="1.2")
    assert_array_equal(embedder.transform(X), 1.2 * X)
    assert_array_equal(embedder.transform(X), 1.2 * X)


def test_an_embedding_that_depends_on_other_samples_is_found(digits, memory):
    X = digits[0][:20]
    embedder = CachedEmbedder(frozen(lambda X: X - X.mean(axis=0)), memory)
    embedder.transform(X)
    with pytest.raises(ValueError, match="or on the other samples of X"):
        embedder.transform(X)


def test_rounding_is_no_change(digits, memory, tmp_path):
    X, path = digits[0][:20], tmp_path / "gain.txt"
    embedder = CachedEmbedder(frozen(Reading(path)), memory)
    for gain in ("1", "1.001"):
        path.write_text(gain)
        assert_array_equal(embedder.transform(X), X)


def test_an_open_file_needs_a_version(digits, memory):
    X, file = digits[0][:5], sys.stdout

    def model(X):
        file.flush()
        return X * weight

    for weight in (np.ones(64), np.full(64, 2.0)):  # what can be hashed is hashed
        embedder = CachedEmbedder(frozen(model), memory, version="a")
        for _ in range(2):
            assert_array_equal(embedder.transform(X), X * weight)


def test_make_kmex_takes_a_cached_embedder_with_a_version(digits, memory):
    X, _, y, _ = digits
    cached = CachedEmbedder(frozen(np.sqrt), memory, version="a")
    psem = make_kmex(cached, n_prototypes=2, random_state=0)
    assert psem["embed"] is cached
    expected = make_kmex(np.sqrt, n_prototypes=2, random_state=0).fit(X, y)
    assert psem.fit(X, y).score(X, y) == expected.score(X, y)


def test_a_cache_that_another_process_holds_is_told(digits, memory, monkeypatch):
    monkeypatch.setattr("sklearn_kmex.embedding._store.PATIENCE", 0.1)
    X = digits[0][:5]
    embedder = CachedEmbedder(frozen(np.sqrt), memory).fit(X)
    (file,) = memory.glob("**/*.sqlite")
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.warns(UserWarning, match=r"is locked by .*embedded without it"):
            assert_array_equal(embedder.transform(X), np.sqrt(X))


def test_damaged_rows_are_embedded_anew(digits, logging, memory):
    X = digits[0][:30]
    embedder = CachedEmbedder(frozen(logging), memory).fit(X)
    (file,) = memory.glob("**/*.sqlite")
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("UPDATE embeddings SET numbers = zeroblob(512) WHERE rowid < 4")
    with pytest.warns(UserWarning, match="3 of 30 samples have damaged entries"):
        assert_array_equal(embedder.transform(X), np.sqrt(X))
    assert_array_equal(embedder.transform(X), np.sqrt(X))
    assert len(logging.rows_met()) == 30 + PROBED + 3


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_configured_output_changes_no_score(digits, memory, output):
    X, X_test, y, y_test = digits
    mlp = MLPClassifier((16,), max_iter=20, random_state=0).fit(X, y)
    forest = RandomForestClassifier(5, random_state=0).fit(X, y)
    piped = make_pipeline(StandardScaler().fit(X), mlp)
    models = (mlp, forest, piped, lambda X: sparse.csr_matrix(X), np.sqrt)
    simple = {"metric": "euclidean", "similarity": "log", "aggregation": "max"}
    for model in models:
        simple |= {"priors": "uniform", "n_prototypes": 2, "random_state": 0}
        expected = make_kmex(model, **simple).fit(X, y).score(X_test, y_test)
        psem = make_kmex(model, memory=memory, **simple)
        with config_context(transform_output=output):
            for _ in range(2):
                assert clone(psem).fit(X, y).score(X_test, y_test) == expected
        psem = clone(psem.set_output(transform=output))
        assert psem.fit(X, y).score(X_test, y_test) == expected


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_embedders_give_frames_before_fit_and_after_clone(digits, memory):
    X, _, y, _ = digits
    mlp = MLPClassifier((4,), max_iter=5, random_state=0).fit(X, y)
    for embedder in (MLPEmbedder(mlp), CachedEmbedder(MLPEmbedder(mlp), memory)):
        found = clone(embedder.set_output(transform="pandas")).transform(X)
        kind = type(embedder).__name__.lower()
        assert list(found.columns) == [f"{kind}{i}" for i in range(4)]


def test_outputs_of_a_function(digits, memory):
    torch = pytest.importorskip("torch")
    X, X_test, y, y_test = digits
    X, X_test = X.astype(np.float32), X_test.astype(np.float32)
    outputs = [
        np.asarray,
        lambda X: list(X),
        lambda X: X.tolist(),
        lambda X: tuple(map(tuple, X)),
        lambda X: X.astype(object),
        lambda X: pd.DataFrame(X),
        lambda X: pd.DataFrame(X, index=range(5, 5 + len(X))).astype("Float32"),
        lambda X: pl.DataFrame(X),
        lambda X: torch.tensor(X),
        lambda X: torch.tensor(X).requires_grad_(),
        lambda X: torch.tensor(X).bfloat16(),
        lambda X: torch.tensor(X).to_sparse(),
        lambda X: list(torch.tensor(X).requires_grad_()),
        lambda X: sparse.csc_array(X),
        lambda X: sparse.coo_matrix(X),
    ]
    for output in outputs:
        for cache in (None, memory):
            psem = make_kmex(output, memory=cache, n_prototypes=1, priors="uniform")
            psem.set_params(kmex__metric="euclidean", kmex__similarity="log")
            psem.set_params(kmex__aggregation="max", kmex__teacher=None)
            found = psem.fit(X, y).score(X_test, y_test)
            assert found == pytest.approx(0.9, abs=0.03)
    for output in (lambda X: pd.Series(X[:, 0]), lambda X: None, lambda X: (X, X)):
        with pytest.raises(ValueError, match="must return embeddings of shape"):
            make_kmex(output, memory=memory).fit(X, y)


def test_refusals(digits, memory, tmp_path):
    X = digits[0][:5]
    with pytest.raises(TypeError, match=r"must be frozen.* got StandardScaler"):
        CachedEmbedder(StandardScaler(), memory).fit(X)
    with pytest.raises(ValueError, match="'memory' parameter"):
        CachedEmbedder(frozen(np.sqrt), 5).fit(X)
    with (
        open(__file__) as file,
        pytest.raises(TypeError, match=r"only what can be hashed.*TextIOWrapper"),
    ):
        CachedEmbedder(frozen(lambda X: (file, X)[1]), memory).transform(X)
    file = memory / "joblib" / "sklearn_kmex" / "embeddings.sqlite"
    file.write_bytes(b"not a table of embeddings " * 100)
    with pytest.raises(OSError, match=r"embeddings.sqlite cannot be used.*Delete it"):
        CachedEmbedder(frozen(np.sqrt), memory).transform(X)


def test_a_clone_shares_the_model_and_an_unfitted_transformer_is_refused(memory):
    model = Logging("log")
    embedder = CachedEmbedder(frozen(model), memory)
    assert clone(embedder).embedder.estimator.func is model
    trained = make_kmex(StandardScaler(), memory=str(memory))
    assert isinstance(trained["embed"], StandardScaler)
    assert trained.memory == str(memory)

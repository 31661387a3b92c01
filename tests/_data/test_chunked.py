"""Dask arrays: the same model as from numpy, on the scheduler that the user runs."""

import os
import signal

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError

from sklearn_kmex import KMExClassifier, KMExClassifierCV

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")

ROW_WISE = ["predict", "decision_function", "predict_proba", "predict_log_proba"]
ROW_WISE += ["transform", "score_samples"]
ATTRIBUTES = ["classes_", "prototypes_", "prototype_classes_", "prototype_counts_"]
ATTRIBUTES += ["prototype_indices_", "n_prototypes_", "class_prior_", "inertia_"]
ATTRIBUTES += ["n_iter_", "n_samples_seen_", "temperature_", "n_features_in_"]


def in_chunks(X, rows=200, columns=-1):
    return da.from_array(X, chunks=(rows, columns))


def assert_same_model(one, other):
    for name in ATTRIBUTES:
        assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@pytest.mark.parametrize(
    "psem",
    [
        KMExClassifier(),
        KMExClassifier(0.02, aggregation="sum", similarity="gaussian"),
        KMExClassifier({c: c + 1 for c in range(10)}, prototype="medoid"),
        KMExClassifier(3, priors="class", max_samples=0.5, temperature=0.5),
        KMExClassifier(5, merge_threshold=0.7),
    ],
    ids=repr,
)
def test_the_same_model_as_from_numpy(digits, psem):
    X, X_test, y, _ = digits
    X = X.astype(np.float32)
    weights = np.random.RandomState(0).randint(0, 3, len(X)).astype(float)
    psem = psem.set_params(random_state=0, n_init=2)
    here = clone(psem).fit(X, y, weights)
    lazy = [da.from_array(values, chunks=170) for values in (y, weights)]
    there = clone(psem).fit(in_chunks(X, 200, 30), *lazy)
    assert_same_model(here, there)
    assert_array_equal(there.predict(X_test), here.predict(X_test))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8])
@pytest.mark.parametrize("n_classes", [2, 10])
@pytest.mark.parametrize("name", ROW_WISE)
def test_answers_are_lazy_and_the_same(digits, dtype, n_classes, name):
    X, _, y, _ = digits
    X, y = X[y < n_classes].astype(dtype), y[y < n_classes].astype(str)
    psem = KMExClassifier(2, n_init=1, random_state=0).fit(X, y)
    expected = getattr(psem, name)(X)
    answer = getattr(psem, name)(in_chunks(X, 100, 16))
    assert isinstance(answer, da.Array)
    assert answer.shape == expected.shape
    assert answer.dtype == expected.dtype
    assert answer.chunks[0] == in_chunks(X, 100).chunks[0]
    computed = answer.compute()
    assert computed.dtype == expected.dtype
    if name == "predict":
        assert_array_equal(computed, expected)
    else:  # the size of a block decides how its sums round
        rtol = 1e-5 if dtype is np.float32 else 1e-10
        assert_allclose(computed, expected, rtol=rtol, atol=rtol)


def test_answers_where_the_number_of_rows_is_not_known(blobs):
    X, y = blobs
    psem = KMExClassifier(2, random_state=0).fit(X, y)
    some = in_chunks(X, 20)[da.from_array(y, chunks=20) == 1]
    assert np.isnan(psem.predict(some).shape[0])
    assert_array_equal(psem.predict(some), psem.predict(X[y == 1]))


@pytest.mark.parametrize("name", ROW_WISE)
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_chunks_without_rows(blobs, name, known, n_classes):
    X, y = blobs
    X, labels = X[y < n_classes].astype(np.float32), np.array(["a", "bb", "c"])[y]
    psem = KMExClassifier(2, random_state=0).fit(X, labels[y < n_classes])
    kept = (np.arange(len(X)) > 45) & (np.arange(len(X)) < 52)
    some = in_chunks(X, 10)[da.from_array(kept, chunks=10)]
    none = in_chunks(X, 10)[da.from_array(kept & False, chunks=10)]
    if known:
        some.compute_chunk_sizes()
    answer, expected = getattr(psem, name)(some).compute(), getattr(psem, name)(X[kept])
    assert answer.dtype == expected.dtype
    if name == "predict":
        assert_array_equal(answer, expected)
    else:
        assert_allclose(answer, expected, rtol=1e-5)
    empty = getattr(psem, name)(none).compute()
    assert empty.shape == (0, *expected.shape[1:])
    assert empty.dtype == expected.dtype


def test_a_selection_is_fitted_and_scored_as_in_memory(blobs):
    X, y = blobs
    kept = (X[:, 0] > 0) & (np.arange(90) // 20 != 1)
    mask = da.from_array(kept, chunks=20)
    some, labels = in_chunks(X, 20)[mask], da.from_array(y, chunks=20)[mask]
    here = KMExClassifier(2, random_state=0).fit(X[kept], y[kept])
    wrong = np.where(np.arange(kept.sum()) % 3, y[kept], y[kept] + 1)
    weights = np.arange(kept.sum())
    assert here.score(some, labels) == 1
    assert here.score(some, wrong, weights) == here.score(X[kept], wrong, weights) < 1
    assert_allclose(
        here.nearest_prototypes(some, 2)[0], here.nearest_prototypes(X[kept], 2)[0]
    )
    some.compute_chunk_sizes()
    assert 0 in some.chunks[0]
    there = clone(here).fit(some, labels)
    assert_same_model(here, there)
    streamed = clone(here).partial_fit(some, labels)
    assert_array_equal(streamed.prototypes_, here.prototypes_)


def test_output_containers_do_not_reach_the_chunks(blobs):
    pd = pytest.importorskip("pandas")
    X, y = blobs
    psem = KMExClassifier(2, random_state=0).fit(X, y).set_output(transform="pandas")
    frame = psem.transform(in_chunks(X, 20))
    assert isinstance(frame, pd.DataFrame)
    assert_array_equal(frame, psem.transform(X))


def test_score_and_labels_in_memory(blobs):
    X, y = blobs
    psem = KMExClassifier(2, random_state=0).fit(in_chunks(X, 20), y)
    assert psem.score(in_chunks(X, 20), y) == 1


def test_a_stream_of_dask_arrays(digits):
    X, _, y, _ = digits
    here, there = (KMExClassifier(2, n_init=1, random_state=0) for _ in range(2))
    for part in (slice(0, 500), slice(500, None)):
        here.partial_fit(X[part], y[part])
        there.partial_fit(in_chunks(X[part]), y[part])
    assert_same_model(here, there)


def test_callbacks_hear_of_each_class(blobs):
    pytest.importorskip("sklearn.callback")
    X, y = blobs
    heard = []

    class Recorder:
        def setup(self, estimator, context): ...
        def teardown(self, estimator, context): ...
        def on_fit_task_begin(self, estimator, context): ...
        def on_fit_task_end(self, estimator, context):
            heard.append(context.task_name)

    psem = KMExClassifier(2, random_state=0)
    here = clone(psem).fit(X, y)
    there = psem.set_callbacks(Recorder()).fit(in_chunks(X, 20), y)
    assert heard == ["class-0", "class-1", "class-2", "fit"]
    assert_same_model(here, there)


def test_each_refusal_names_the_remedy(blobs):
    X, y = blobs
    lazy, psem = in_chunks(X, 20), KMExClassifier(2)
    with pytest.raises(ValueError, match=r"Call X.compute_chunk_sizes\(\) first"):
        psem.fit(lazy[lazy[:, 0] > 3], y)
    for searching in (KMExClassifier("auto"), KMExClassifierCV(3)):
        with pytest.raises(ValueError, match="Choose with a sample"):
            searching.fit(lazy, y)
    with pytest.raises(ValueError, match=r"at least one row; got shape \(0, 4\)"):
        psem.fit(lazy[:0], y[:0])
    with pytest.raises(ValueError, match=r"requires y to be passed"):
        psem.fit(lazy, None)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        psem.fit(lazy, y[1:])
    with pytest.raises(ValueError, match="Input X contains NaN"):
        psem.fit(da.where(lazy > 1, lazy, np.nan), y)
    with pytest.raises(ValueError, match="2 dimensions"):
        psem.fit(lazy[:, 0], y)
    with pytest.raises(ValueError, match="of numbers"):
        psem.fit(lazy.astype(str), y)
    with pytest.raises(ValueError, match="in chunks of numpy"):
        psem.fit(lazy.map_blocks(sparse.csr_matrix), y)
    with pytest.raises(ValueError, match=r"X.to_dask_array\(lengths=True\)"):
        psem.fit(dask.delayed(X), y)
    with pytest.raises(NotFittedError):
        psem.predict(lazy)
    assert not [name for name in vars(psem) if name.endswith("_")]
    psem.fit(lazy, y)
    with pytest.raises(ValueError, match="X has 3 features, but KMExClassifier"):
        psem.predict(lazy[:, :3])


def test_what_could_be_of_dask_and_is_not(blobs):
    X, y = blobs

    class Labelled(np.ndarray):  # as the arrays of xarray do
        def __dask_graph__(self):
            return None

    psem = KMExClassifier(2, random_state=0).fit(X.view(Labelled), y)
    assert type(psem.predict(X.view(Labelled))) is np.ndarray


@pytest.fixture(scope="module")
def client():
    """A cluster of two processes of one thread each."""
    distributed = pytest.importorskip("distributed")
    with (
        dask.config.set({"distributed.worker.daemon": False}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def dying_clusterer(folder):
    """A clusterer that kills its process the first time; local, to be sent whole."""

    class Dying(KMeans):
        def fit(self, X, y=None, sample_weight=None):
            died = os.path.join(folder, "died")
            with open(os.path.join(folder, "log"), "a") as log:
                log.write(f"{os.getpid()} {len(X)}\n")
            if not os.path.exists(died):
                open(died, "w").close()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().fit(X, y, sample_weight)

    return Dying(n_init=2)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_worker_killed_in_the_middle_costs_its_tasks(client, digits, tmp_path):
    X, _, y, _ = digits
    there = KMExClassifier(2, temperature=1.0, random_state=0)
    here = clone(there).set_params(clusterer=KMeans(n_init=2)).fit(X, y)
    there.set_params(clusterer=dying_clusterer(str(tmp_path))).fit(in_chunks(X), y)
    for name in ATTRIBUTES:
        assert_allclose(getattr(there, name), getattr(here, name), err_msg=name)
    pids, sizes = np.loadtxt(tmp_path / "log", dtype=int).T
    assert len(set(pids)) > 1
    assert 11 <= len(sizes) < 20  # one class for each process that died, a few lost
    assert set(sizes) == set(np.bincount(y))  # no worker saw rows of another class


def test_on_the_cluster_as_on_one_machine(client, digits):
    X, X_test, y, _ = digits
    psem = KMExClassifier(2, n_init=2, random_state=0)
    here, there = clone(psem).fit(X, y), psem.fit(in_chunks(X), y)
    for name in ATTRIBUTES:
        assert_allclose(getattr(there, name), getattr(here, name), err_msg=name)
    answer = there.predict_proba(in_chunks(X_test, 100)).compute()
    assert_allclose(answer, here.predict_proba(X_test))


@pytest.mark.parametrize("place", ["memory", "file"])
def test_joblib_on_the_cluster(client, digits, tmp_path, place):
    from joblib import parallel_config

    X, _, y, _ = digits
    if place == "file":
        np.save(tmp_path / "X.npy", X)
        X = np.load(tmp_path / "X.npy", mmap_mode="r")
    psem = KMExClassifier(2, n_init=2, random_state=0, n_jobs=2)
    here = clone(psem).set_params(n_jobs=None).fit(X, y)
    with parallel_config(backend="dask"):
        there = psem.fit(X, y)
    assert_allclose(there.prototypes_, here.prototypes_)
    assert_allclose(there.temperature_, here.temperature_)

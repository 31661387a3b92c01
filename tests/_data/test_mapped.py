"""Arrays in files: whatever part of a file, in whatever process."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone

from sklearn_kmex import KMExClassifier, KMExClassifierCV
from sklearn_kmex._data.mapped import MappedArray, file_behind

VIEWS = {
    "whole": lambda X: X,
    "some rows": lambda X: X[5:50],
    "every other row, backwards": lambda X: X[::-2],
    "some columns": lambda X: X[:, 1:3],
    "transposed": lambda X: X.T,
    "as an array": np.asarray,
}


@pytest.fixture
def mapped(blobs, tmp_path):
    """Three classes in a file, and their labels."""
    X, y = blobs
    np.save(tmp_path / "X.npy", X)
    return np.load(tmp_path / "X.npy", mmap_mode="r"), y


@pytest.mark.parametrize("view", VIEWS)
def test_another_process_finds_the_same_rows(mapped, view):
    X = VIEWS[view](mapped[0])
    there = pickle.loads(pickle.dumps(MappedArray(X)))
    rows = np.array([3, 0, 2])
    assert_array_equal(there.take(rows), X[rows])
    assert file_behind(there.X) is not None
    assert there.X.base is not X.base


def test_a_sent_array_is_a_place_in_a_file(mapped):
    sent = pickle.dumps(MappedArray(mapped[0]))
    assert len(sent) < mapped[0].nbytes / 3
    assert pickle.loads(sent) is pickle.loads(sent)  # mapped once


def test_a_file_written_anew_is_read_anew(mapped, tmp_path):
    X = mapped[0]
    pickle.loads(pickle.dumps(MappedArray(X)))
    np.save(tmp_path / "Y.npy", -X)
    (tmp_path / "Y.npy").replace(tmp_path / "X.npy")
    there = pickle.loads(pickle.dumps(MappedArray(np.load(X.filename, mmap_mode="r"))))
    assert_array_equal(there.X, -X)


def test_what_has_no_file_behind_it(mapped):
    X = mapped[0]
    assert file_behind(X.copy()) is None
    assert file_behind(np.load(X.filename)) is None
    assert file_behind([[1.0]]) is None
    changed = np.load(X.filename, mmap_mode="c")  # its changes are not in the file
    assert file_behind(changed) is None


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("estimator", [KMExClassifier(3), KMExClassifierCV(3)])
def test_the_same_model_as_from_memory(mapped, estimator, n_jobs):
    X, y = mapped
    estimator.set_params(random_state=0, n_init=1, n_jobs=n_jobs)
    plain = estimator.fit(np.array(X), y).predict_proba(X)
    assert_array_equal(estimator.fit(X, y).predict_proba(X), plain)


@pytest.mark.parametrize("dtype", [np.float16, np.int16, np.uint8])
@pytest.mark.parametrize("estimator", [KMExClassifier(2), KMExClassifierCV(2)])
def test_other_numbers_become_float64(digits, tmp_path, estimator, dtype):
    X, X_test, y, _ = digits
    np.save(tmp_path / "X.npy", X.astype(dtype))
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    estimator.set_params(n_init=1, random_state=0)
    mapped, plain = clone(estimator).fit(X, y), clone(estimator).fit(np.array(X), y)
    assert mapped.prototypes_.dtype == plain.prototypes_.dtype == np.float64
    assert_array_equal(mapped.predict_proba(X_test), plain.predict_proba(X_test))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_values_are_looked_at_class_by_class(blobs, tmp_path, n_jobs):
    X, y = blobs
    X[4, 2] = np.nan
    np.save(tmp_path / "X.npy", X)
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    psem = KMExClassifier(2, n_jobs=n_jobs)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        psem.fit(X, y)
    assert not [name for name in vars(psem) if name.endswith("_")]
    psem.fit(X, y, sample_weight=np.arange(90) != 4)  # a row of weight 0 is not read
    with pytest.raises(ValueError, match="Input X contains NaN"):
        psem.partial_fit(X, y)


def test_text_is_refused(tmp_path):
    np.save(tmp_path / "X.npy", np.array([["a"], ["b"], ["c"], ["d"]]))
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    with pytest.raises(ValueError, match="could not convert string to float"):
        KMExClassifier(1).fit(X, [0, 0, 1, 1])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="not Linux")
def test_pages_that_were_read_elsewhere_are_let_go(tmp_path):
    np.save(tmp_path / "X.npy", np.ones((4000, 1000)))
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    there = pickle.loads(pickle.dumps(MappedArray(X)))
    before = mapped_memory()
    for start in range(0, 4000, 100):
        assert (there.take(np.arange(start, start + 100)) == 1).all()
    assert mapped_memory() - before < X.nbytes / 1024 / 10


def mapped_memory():
    """Memory of this process that is mapped from files, in KiB."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("RssFile"))

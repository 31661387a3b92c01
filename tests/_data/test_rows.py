"""Rows of classes are the same rows, wherever X is."""

from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse

from sklearn_kmex._data.arrays import dense
from sklearn_kmex._data.rows import Rows, Training, gather, map_classes, split_by_class

X = np.arange(60.0).reshape(20, 3)
PLACES = ["memory", "sparse", "file"] + ["dask"] * (find_spec("dask") is not None)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """The same rows in memory, in a file, in chunks."""
    path = tmp_path_factory.mktemp("rows") / "X.npy"
    np.save(path, X)
    there = {"memory": X, "sparse": sparse.csr_array(X)}
    there["file"] = np.load(path, mmap_mode="r")
    if "dask" in PLACES:
        import dask.array as da

        there["dask"] = da.from_array(X, chunks=(7, -1))
    return there


def described(rows, label):
    return label, rows._replace(values=dense(rows.values))


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("place", PLACES)
def test_each_class_is_given_its_rows(places, place, n_jobs):
    groups = [np.array([0, 8, 19]), np.array([], int), np.array([7]), np.arange(9, 14)]
    weights = np.arange(20.0)
    training = Training(
        *(places[place], np.arange(20), weights, np.arange(4), groups, list("pqrs")),
        first_row=100,
        n_jobs=n_jobs,
    )
    found = map_classes(described, training, ["a", "none", "b", "c"])
    assert [label for label, _ in found] == ["a", "b", "c"]
    for (_, rows), own in zip(found, [groups[0], *groups[2:]], strict=True):
        assert isinstance(rows, Rows)
        assert_array_equal(rows.values, X[own])
        assert_array_equal(rows.numbers, own + 100)
        assert_array_equal(rows.weights, weights[own])


@pytest.mark.parametrize("place", PLACES)
@given(rows=st.permutations(range(20)), count=st.integers(1, 20))
def test_rows_are_taken_in_the_order_asked_for(places, place, rows, count):
    asked = np.array(rows[:count])
    assert_array_equal(dense(gather(places[place], asked)), X[asked])


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2)), min_size=1))
def test_rows_are_grouped_by_class_whatever_the_labels_and_weights(pairs):
    y, weights = (np.array(column) for column in zip(*pairs, strict=True))
    training = split_by_class(None, y, weights, np.array(list("abc")))
    assert training.names == ["class-a", "class-b", "class-c"]
    for label, rows in zip("abc", training.groups, strict=True):
        assert_array_equal(rows, np.flatnonzero((y == label) & (weights > 0)))

"""Samples of any kind, counted and selected."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

torch = pytest.importorskip("torch")

from sklearn_kmex._data.samples import (
    as_row,
    as_samples,
    is_dataset,
    sample,
    stacked,
    take,
    texts_at,
)


class Made(torch.utils.data.Dataset):
    def __init__(self, *samples):
        self.samples = samples

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]


class Like:
    __init__, __len__ = Made.__init__, Made.__len__
    __getitem__ = Made.__getitem__


@pytest.mark.parametrize("kind", [Made, Like])
def test_datasets_give_samples_without_labels(kind):
    X = kind(("text", 0), ["text", 1], [3, 5, 2], "alone", {"a": 1})
    found = [sample(X, i) for i in range(5)]
    assert found == ["text", "text", [3, 5, 2], "alone", {"a": 1}]
    assert [one[0] for one in take(X, [1, 0])] == ["text", "text"]
    assert is_dataset(take(X, [0]))


@pytest.mark.parametrize(
    "X", [[1], (1,), "text", b"text", {"a": 1}, np.ones(1), torch.ones(1), 1]
)
def test_other_samples_have_no_labels(X):
    assert not is_dataset(X)


def test_a_dict_is_no_list_of_samples():
    with pytest.raises(TypeError, match=r"got dict\. .* instead of a dict, a list"):
        as_samples({"a": np.ones(3)})


def test_lists_of_numbers_become_arrays():
    assert_array_equal(as_row([1, 2]), [1, 2])
    assert as_row([1, 2]).dtype == int
    assert as_row(((1.0, 2.0), (3.0, 4.0))).shape == (2, 2)
    for value in ([[1], [2, 3]], ["a", "b"], [], {"a": 1}, [torch.ones(2)]):
        assert as_row(value) is value


def test_only_arrays_of_one_shape_are_stacked():
    rows = [0, 1]
    assert_array_equal(stacked([[1, 2], [3, 4]], rows), [[1, 2], [3, 4]])
    assert_array_equal(
        stacked(Made(torch.ones(2), torch.zeros(2)), rows), [[1, 1], [0, 0]]
    )
    pairs = [(torch.ones(2), torch.ones(2))] * 2
    for X in (pairs, [{"a": 1}] * 2, ["a", "b"], [[1], [2, 3]], [1, 2]):
        assert stacked(X, rows) is None


def test_selections_of_dask_arrays_are_computed_to_be_counted():
    da = pytest.importorskip("dask.array")
    X = np.arange(12.0).reshape(6, 2)
    lazy = da.from_array(X, chunks=(2, 2))
    assert as_samples(lazy) is lazy
    assert_array_equal(as_samples(lazy[lazy[:, 0] > 5]), X[3:])
    assert as_samples(lazy[lazy[:, 0] > 50]).shape == (0, 2)
    bag = pytest.importorskip("dask.bag").from_sequence([1, 2])
    with pytest.raises(TypeError, match="X must have a length"):
        as_samples(bag)


def test_a_dask_frame_is_computed_to_be_counted():
    pd = pytest.importorskip("pandas")
    frames = pytest.importorskip("dask.dataframe")
    X = pd.DataFrame({"a": [1.0, 2.0, 3.0]})
    assert as_samples(frames.from_pandas(X, npartitions=2)).equals(X)


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        (["a", "b", "c"], ["c", "a"]),
        (np.array(["a", "b", "c"]), ["c", "a"]),
        (["a", "b", 3], None),
        (np.eye(3), None),
        (sparse.eye(3, format="csr"), None),
    ],
)
def test_texts_at(X, expected):
    found = texts_at(X, [2, 0])
    assert (found if found is None else found.tolist()) == expected
    assert texts_at(X, []) is None

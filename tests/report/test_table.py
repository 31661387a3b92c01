"""Which samples are tables, their values, and the most informative columns."""

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sems import Prototypes
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from sklearn_kmex import KMExClassifier
from sklearn_kmex.report import SEMReport
from sklearn_kmex.report._table import (
    Table,
    as_table,
    cells_of,
    column_spreads,
    columns_note,
    leading_columns,
    numbers_of,
    places_in_class,
)

PSEM = Prototypes([[1, 10], [3, 10]], ["a", "b"])
ROWS = [[1, 20], [2, 20], [3, 30]]


@pytest.mark.parametrize(
    "kind", ["array", "list", "tuple", "csr", "frame", "polars", "tensor"]
)
def test_what_is_a_table(kind):
    X = {
        "array": lambda: np.array(ROWS),
        "list": lambda: ROWS,
        "tuple": lambda: tuple(map(tuple, ROWS)),
        "csr": lambda: sparse.csr_matrix(ROWS),
        "frame": lambda: pytest.importorskip("pandas").DataFrame(ROWS),
        "polars": lambda: pytest.importorskip("polars").DataFrame(ROWS, orient="row"),
        "tensor": lambda: pytest.importorskip("torch").tensor(ROWS),
    }[kind]()
    table = as_table(PSEM, X, ["one", "two"])
    assert table.names == ["one", "two"]
    assert cells_of(table.cells, [0, 2]).tolist() == [[1, 20], [3, 30]]


@pytest.mark.parametrize(
    "X", [["a", "b"], np.zeros((2, 3, 3)), [["a"], ["b", "c"]], np.array(["a", "b"])]
)
def test_what_is_none(X):
    assert as_table(PSEM, X, None) is None


def test_names_that_are_too_few():
    with pytest.raises(ValueError, match="feature_names must give one name for each"):
        as_table(PSEM, np.array(ROWS), ["one"])


def test_places_by_hand():
    table = Table(np.array([[1.0, 5], [2, 5], [3, 5], [9, 7]]), ["size", "n\nice"])
    places = places_in_class(
        table,
        np.array([0, 1]),
        np.array([[2.0, 6]]),
        np.array([0]),
        np.array([0, 0, 0, 1]),
    )
    assert places == [
        [
            {"feature": "size", "value": "2", "rank": 0.5, "same": None},
            {"feature": "n ice", "value": "6", "rank": 1.0, "same": None},
        ]
    ]


def test_ranks_are_shares_whatever_the_rounding():
    table = Table(np.linspace(0, 1, 11)[:, np.newaxis], ["x"])
    for n in range(1, 12):
        codes = np.where(np.arange(11) < n, 0, 1)
        ((place,),) = places_in_class(
            table, np.array([0]), np.array([[5.0]]), np.array([0]), codes
        )
        assert place["rank"] == 1


def test_text_and_classes_without_rows_have_no_rank():
    cells = np.array([["Oslo", 1], ["Bergen", 2]], dtype=object)
    table = Table(cells, ["town", "n"])
    (row,) = places_in_class(
        table, np.array([0, 1]), cells[:1], np.array([1]), np.array([0, 0])
    )
    assert [one["rank"] for one in row] == [None, None]
    assert [one["value"] for one in row] == ["Oslo", "1"]


def test_columns_in_which_prototypes_differ_most_are_shown():
    rng = np.random.default_rng(0)
    cells = rng.normal(size=(200, 30))
    values = np.zeros((2, 30))
    telling = [3, 7, 8, 9, 12, 14, 15, 20, 21, 24, 28, 29]
    values[1, telling] = 5
    assert sorted(leading_columns(cells, values, None, [])) == telling


def test_spreads_of_prototypes_are_held_against_those_of_samples():
    cells = np.random.default_rng(0).normal(size=(100, 13)) * ([1] * 12 + [1000])
    values = np.array([[0.0] * 13, [1.0] * 12 + [2.0]])  # the largest, tells least
    assert sorted(leading_columns(cells, values, None, [])) == list(range(12))


def test_constant_columns_are_not_informative():
    cells = np.tile([1.0, 2.0], (50, 10))
    cells[:, 5] = np.arange(50)
    values = np.vstack([np.zeros(20), np.ones(20)])
    assert leading_columns(cells, values, None, [])[0] == 5


def test_columns_that_contribute_most_are_shown_after_those_asked_for():
    cells, values = np.zeros((4, 20)), np.zeros((2, 20))
    contributions = np.array([np.arange(20.0), -np.arange(20.0)])
    found = leading_columns(cells, values, contributions, [3, 1])
    assert found.tolist() == [3, 1, *range(19, 9, -1)]
    every = leading_columns(cells, values, contributions, range(20))
    assert every.tolist() == list(range(20))


def test_columns_by_name_and_number():
    assert numbers_of(["age", "sex", "race"], ["race", 0, "race"]) == [2, 0]
    assert numbers_of(None, None) == []
    with pytest.raises(ValueError, match="columns of X; got 'gender'"):
        numbers_of(["age", "sex"], ["gender"])
    with pytest.raises(ValueError, match="numbers of columns of X; got 2"):
        numbers_of(["age", "sex"], [2])
    with pytest.raises(ValueError, match=r"None unless X is a table; got \['age'\]"):
        numbers_of(None, ["age"])


def test_spreads_by_hand():
    cells = np.array([[1, "x", 3, None], [3, "y", 3, None]], dtype=object)
    assert_allclose(column_spreads(cells), [1, np.nan, np.nan, np.nan])
    numbers = np.array([[1, np.nan, 0], [3, np.nan, 1], [np.nan, np.nan, 1]])
    spreads = column_spreads(numbers)
    assert_allclose(spreads, [1, np.nan, np.sqrt(2) / 3])
    assert_allclose(column_spreads(np.array([[True], [False]])), [0.5])


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("dtype", [np.int64, np.float32])
def test_spreads_of_sparse_rows_are_those_of_dense_ones(kind, dtype):
    dense = np.random.default_rng(0).poisson(0.5, (50, 8)).astype(dtype)
    dense[:, 3] = 0
    expected = column_spreads(dense.astype(float))
    assert_allclose(column_spreads(kind(dense)), expected, rtol=1e-6)


def test_a_million_sparse_columns_stay_sparse():
    rows = np.arange(2000)
    shape = 2000, 1_000_000
    X = sparse.csr_matrix((np.ones(2000), (rows, 500 * rows + 4)), shape).tocsc()
    values = np.zeros((2, 1_000_000))
    values[1, 1004] = 1
    assert 1004 in leading_columns(X, values, None, [])  # 16 GB if it were dense


def test_a_missing_number_is_called_missing_and_a_text_has_a_share():
    pytest.importorskip("jinja2")
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame({"age": [np.nan, 20, 30, 40] * 5, "job": ["a", "b"] * 10})
    y = np.array([0, 1, 1, 1] * 5)
    steps = make_column_transformer((SimpleImputer(), ["age"]), remainder="drop")
    psem = make_pipeline(steps, KMExClassifier(1)).fit(X, y)
    page = SEMReport(psem, X, y, X_train=X, y_train=y, black_box=None).to_html()
    rows = re.findall(r'row"><bdi>(\w+)</bdi>.*?quiet[^>]*>([\w ]+)', page, re.DOTALL)
    assert ("age", "missing") in rows
    shares = {kind.strip() for name, kind in rows if name == "job"}
    assert shares <= {"100", "33", "67"}  # per cent of the class with the same job
    assert "% the same" in page
    assert "not numeric" not in page


def test_columns_that_contribute_most_come_first_and_others_are_named():
    contributions = np.zeros((2, 15))
    contributions[0, [3, 7]] = 4, -1
    contributions[1, [3, 2]] = -300, 100
    cells, values = np.zeros((4, 15)), np.zeros((2, 15))
    columns = leading_columns(cells, values, contributions, [])
    assert columns[:3].tolist() == [3, 2, 7]
    assert len(columns) == 12
    names = [f"c{place}" for place in range(15)]
    assert columns_note(names, columns, True) == (
        "12 of 15 columns are shown: those that contribute most to the decisions "
        "shown. Not shown: c12, c13, c14."
    )
    assert "in which prototypes differ most" in columns_note(names, columns, False)
    assert "first the 2 asked for, then those" in columns_note(names, columns, True, 2)
    assert columns_note(names[:2], np.array([1, 0]), False) == ""
    assert "ordered by what they contribute" in columns_note(names[:1], [0], True)
    many = columns_note([f"c{place}" for place in range(1000)], columns, True)
    assert many.endswith("c30, c31 and 968 more.")

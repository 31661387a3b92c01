"""Inputs of graphs of DataFrames and arrays of any dtypes."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from served import run_graph
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from sklearn_kmex import KMExClassifier
from sklearn_kmex.exceptions import KMExWarning
from sklearn_kmex.export import to_onnx

pytest.importorskip("skl2onnx")
pytest.importorskip("onnxruntime")
from sklearn_kmex._onnx.inputs import input_names  # after the check for onnx

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

RNG = np.random.RandomState(0)
Y = np.arange(60) % 2
SIZE = RNG.normal(size=60) + Y
KIND = RNG.choice(["a", "b", "c c"], 60)
CODE = RNG.choice([3, 5, 7], 60)


@pytest.fixture
def pd():
    return pytest.importorskip("pandas")


def check_frame(psem, frame, dtypes=None):
    """Check a graph whose inputs take the columns of a frame, in this order."""
    psem.fit(frame, Y)
    graph = to_onnx(psem, frame)
    dtypes = dtypes or {name: frame[name].to_numpy().dtype for name in frame.columns}
    rows = {
        part.name: np.asarray(frame[name]).astype(dtypes[name])[:, np.newaxis]
        for part, name in zip(graph.graph.input, frame.columns, strict=True)
    }
    label, chances, *_ = run_graph(graph, **rows)
    assert_array_equal(label, psem.predict(frame))
    assert_allclose(chances, psem.predict_proba(frame), rtol=0, atol=1e-9)
    return graph


def kmex():
    return KMExClassifier(1, temperature=1.0)


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (["a", "größe", "class"], ["a", "größe", "class"]),
        (["a b", "a_b", "a-b"], ["a_b1", "a_b", "a_b2"]),
        ([0, 1, 10], ["_0", "_1", "_10"]),
        ([("a", 1), ("b", 2), ("a", 2)], ["a_1", "b_2", "a_2"]),
        (["label", "X", "probabilities"], ["label1", "X", "probabilities1"]),
        (['"', "'", "1st"], ["_", "_1", "_1st"]),
    ],
)
def test_names_of_inputs_are_those_of_columns_or_told(columns, names, pd):
    frame = pd.DataFrame(np.stack([SIZE, 2 * SIZE, CODE], axis=1))
    frame.columns = columns
    psem = make_pipeline(StandardScaler(), kmex()).fit(frame, Y)
    if names == columns:
        graph = to_onnx(psem, frame)
    else:
        new = zip(names, columns, strict=True)
        told = ", ".join(f"{a!r} for {b!r}" for a, b in new if a != b)
        with pytest.warns(KMExWarning, match="Inputs of the graph") as caught:
            graph = to_onnx(psem, frame)
        assert told in str(caught[0].message)
        assert caught[0].filename == __file__
    assert [part.name for part in graph.graph.input] == names
    metadata = {part.key: json.loads(part.value) for part in graph.metadata_props}
    assert list(metadata["inputs"]) == names
    assert metadata["inputs"] == dict(
        zip(names, json.loads(json.dumps(columns)), strict=True)
    )
    rows = {n: frame[[c]].to_numpy() for n, c in zip(names, columns, strict=True)}
    _, chances, *_ = run_graph(graph, **rows)
    assert_allclose(chances, psem.predict_proba(frame), rtol=0, atol=1e-9)


def test_equal_names_are_numbered():
    assert input_names(["a", "a", "b", "a1"], ()) == ["a", "a2", "b", "a1"]


def test_a_warning_lists_some_of_many_names(pd):
    frame = pd.DataFrame(np.tile(SIZE[:, np.newaxis], 8))
    psem = kmex().fit(frame, Y)
    with pytest.warns(KMExWarning, match=r"'_4' for 4, and 3 more\. All names"):
        to_onnx(psem, frame)


@pytest.mark.parametrize("first", ["int64", "int8", "uint16", "bool", "float32"])
def test_numbers_of_several_dtypes_lose_no_digits(first, pd):
    frame = pd.DataFrame({"a": (9 * SIZE).clip(0).astype(first), "b": SIZE + 1e6})
    check_frame(make_pipeline(StandardScaler(), kmex()), frame)


@pytest.mark.parametrize(
    ("dtype", "missing", "to"),
    [
        ("Int64", False, np.int64),
        ("Int64", True, np.float64),
        ("UInt8", False, np.uint8),
        ("Float64", True, np.float64),
        ("boolean", False, np.bool_),
        ("boolean", True, np.float64),
    ],
)
def test_nullable_columns(dtype, missing, to, pd):
    values = CODE > 3 if dtype == "boolean" else CODE
    column = pd.Series(values).astype(dtype)
    if missing:
        column[::5] = pd.NA
    frame = pd.DataFrame({"a": column, "b": SIZE})
    psem = make_pipeline(SimpleImputer(), StandardScaler(), kmex()).fit(frame, Y)
    rows = column.to_numpy(dtype=to, **({"na_value": np.nan} if missing else {}))
    graph = to_onnx(psem, frame)
    _, chances, *_ = run_graph(graph, a=rows[:, np.newaxis], b=frame[["b"]].to_numpy())
    assert_allclose(chances, psem.predict_proba(frame), rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", ["object", "string", "category"])
def test_columns_of_text(dtype, pd):
    frame = pd.DataFrame({"a": SIZE, "b": pd.Series(KIND).astype(dtype), "c": CODE})
    encode = make_column_transformer(
        (OneHotEncoder(), ["b", "c"]), remainder=StandardScaler()
    )
    dtypes = {"a": np.float64, "b": object, "c": np.int64}
    check_frame(make_pipeline(encode, kmex()), frame, dtypes)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "int16", "bool", "uint64"])
def test_arrays_of_any_numbers(dtype):
    X = np.stack([9 * SIZE, CODE], axis=1).clip(0).astype(dtype)
    psem = make_pipeline(StandardScaler(), kmex()).fit(X, Y)
    _, chances, *_ = run_graph(to_onnx(psem, X), X=X)
    assert_allclose(chances, psem.predict_proba(X), rtol=0, atol=1e-9)


def test_objects_that_are_numbers(pd):
    frame = pd.DataFrame({"a": SIZE, "b": CODE}).astype(object)
    psem = make_pipeline(StandardScaler(), kmex()).fit(frame, Y)
    rows = {"a": frame[["a"]].to_numpy(float), "b": frame[["b"]].to_numpy(np.int64)}
    _, chances, *_ = run_graph(to_onnx(psem, frame), **rows)
    assert_allclose(chances, psem.predict_proba(frame), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "chosen",
    [
        [True, False, True, False],
        slice("a", "a"),
        [0, -2],
        np.array([0, 2]),
        lambda X: ["a", "c"],
    ],
)
@pytest.mark.parametrize("text", [True, False])
def test_columns_are_selected_in_every_way(chosen, text, pd):
    frame = pd.DataFrame({"a": SIZE, "b": CODE, "c": 2 * SIZE, "d": -CODE})
    parts = [(StandardScaler(), chosen), (OrdinalEncoder(), ["b"])]
    if text:
        frame["d"] = KIND
        parts.append((OneHotEncoder(), ["d"]))
    encode = make_column_transformer(*parts)
    check_frame(make_pipeline(encode, kmex()), frame)
    check_frame(make_pipeline(make_union(encode), kmex()), frame)


def test_column_transformers_inside_others(pd):
    frame = pd.DataFrame({"a": SIZE, "b": CODE, "c": KIND})
    inner = make_column_transformer((StandardScaler(), [False, True]))
    outer = make_column_transformer(
        (make_pipeline(inner, StandardScaler()), ["a", "b"]), (OneHotEncoder(), ["c"])
    )
    check_frame(make_pipeline(outer, kmex()), frame)


def test_columns_in_another_order_than_in_fit(pd):
    frame = pd.DataFrame({"a": SIZE, "b": CODE})
    encode = make_column_transformer((StandardScaler(), ["b"]), remainder="passthrough")
    psem = make_pipeline(encode, kmex()).fit(frame, Y)
    rows = {"a": frame[["a"]].to_numpy(), "b": frame[["b"]].to_numpy()}
    _, chances, *_ = run_graph(to_onnx(psem, frame[["b", "a"]]), **rows)
    assert_allclose(chances, psem.predict_proba(frame), rtol=0, atol=1e-9)


def test_columns_without_a_type_are_left_out_or_named(pd):
    when = pd.date_range("2020-01-01", periods=60)
    mixed = pd.Series(["a", 1] * 30, dtype=object)
    some = pd.Series(KIND, dtype=object).where(CODE > 3, None)
    frame = pd.DataFrame({"a": SIZE, "when": when, "mixed": mixed, "some": some})
    encode = make_column_transformer((StandardScaler(), ["a"]))
    psem = make_pipeline(encode, kmex()).fit(frame, Y)
    graph = to_onnx(psem, frame)
    assert [part.name for part in graph.graph.input] == ["a"]
    label, *_ = run_graph(graph, a=frame[["a"]].to_numpy())
    assert_array_equal(label, psem.predict(frame))
    for name, kind in (("when", "datetime64"), ("some", "str and missing values")):
        encode = make_column_transformer((OneHotEncoder(), [name]), ("drop", ["a"]))
        psem = make_pipeline(encode, kmex()).fit(frame, Y)
        with pytest.raises(TypeError, match=f"column '{name}' of {kind}.* Convert it"):
            to_onnx(psem, frame)


def test_frames_of_polars():
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"a": SIZE, "b": CODE, "c": KIND})
    encode = make_column_transformer(
        (StandardScaler(), ["a", "b"]), (OneHotEncoder(sparse_output=False), ["c"])
    )
    dtypes = {"a": np.float64, "b": np.int64, "c": object}
    check_frame(make_pipeline(encode, kmex()), frame, dtypes)

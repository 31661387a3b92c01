"""An Explanation as data: sliced, tabulated, written, read and drawn."""

import json
import sys
from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal
from sems import Prototypes

from sklearn_kmex import KMExClassifier, RejectingClassifier
from sklearn_kmex.exceptions import MissingDependencyError
from sklearn_kmex.explain import Counterfactuals, Explanation, explain
from sklearn_kmex.explain._records import read_document, write_document


@pytest.fixture(scope="module")
def explanation(digits):
    X, X_test, y, _ = digits
    psem = KMExClassifier(2, random_state=0).fit(X, y)
    return explain(psem, X_test[:30], X_train=X, relevance=X_test[:30] - 8)


def same(one, other):
    """Equal, bit for bit and type for type."""
    for field in fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype
            assert_array_equal(a, b, strict=True)
        else:
            assert a == b


def test_slices(explanation):
    assert len(explanation) == 30
    assert len(explanation[4]) == len(explanation[-1]) == 1
    assert_array_equal(explanation[4].sample_indices, [4])
    assert_array_equal(explanation[-1].sample_indices, [29])
    assert_array_equal(explanation[5:8][1:].sample_indices, [6, 7])
    mask = explanation.margin > np.median(explanation.margin)
    assert_array_equal(explanation[mask].sample_indices, np.flatnonzero(mask))
    order = np.argsort(explanation.margin)[:3]
    some = explanation[order]
    assert_array_equal(some.margin, np.sort(explanation.margin)[:3])
    assert_array_equal(some.training_samples, explanation.training_samples[order])
    assert_array_equal(some.relevance, explanation.relevance[order])
    assert_array_equal(some.members, explanation.members[order])
    assert_array_equal(some.member_likeness, explanation.member_likeness[order])
    assert_array_equal(some.member_samples, explanation.member_samples[order])
    assert len(explanation[[]]) == 0
    assert [one.sample_indices[0] for one in explanation] == list(range(30))
    with pytest.raises(IndexError):
        explanation[30]
    assert repr(explanation[:3]) == "Explanation(n_samples=3)"


def test_it_cannot_be_changed_nor_put_together_wrongly(explanation):
    with pytest.raises(FrozenInstanceError):
        explanation.margin = 1
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        replace(explanation, margin=explanation.margin[:3])


def test_json(explanation):
    text = explanation.to_json()
    document = json.loads(text)
    assert document["format"] == "sklearn_kmex.Explanation"
    assert document["version"] == 1
    assert document["fields"]["predictions"]["shape"] == [30]
    same(explanation, Explanation.from_json(text))
    same(explanation[[]], Explanation.from_json(explanation[[]].to_json()))
    assert document["fields"]["members"]["values"] == explanation.members.tolist()
    bare = replace(
        explanation, samples=None, relevance=None, examples=None, members=None
    )
    same(bare, Explanation.from_json(bare.to_json()))


@pytest.mark.parametrize(
    "labels",
    [[0, 1], ["a", "<b>"], [True, False], np.array(["x", "longer"], dtype=object)],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_json_keeps_labels_and_dtypes(labels, dtype):
    psem = KMExClassifier(1, temperature=1.0)
    psem.partial_fit(np.array([[0.1], [3]], dtype=dtype), labels)
    found = explain(psem, np.array([[0.7]], dtype=dtype))
    again = Explanation.from_json(found.to_json())
    same(found, again)
    assert again.similarities.dtype == dtype
    assert type(again.predictions[0]) is type(found.predictions[0])


def test_json_is_strict():
    psem = KMExClassifier(1).partial_fit([[0.0], [1.0]], [0, 1], classes=[0, 1, 2])
    found = explain(psem, [[0.5]])
    text = found.to_json()  # the score of class 2 is minus infinity

    def refuse(constant):
        raise AssertionError(constant)

    json.loads(text, parse_constant=refuse)
    assert Explanation.from_json(text).scores[0, 2] == -np.inf


@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_, "<U5"]),
        hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4),
    )
)
def test_any_array_comes_back(values):
    text = write_document("Any", {"values": values})
    back = read_document(text, "Any", ["values"], build=lambda values: values)
    assert back.dtype == values.dtype
    assert_array_equal(back, values, strict=True)


def test_objects_that_json_does_not_have():
    values = np.array([None, np.nan, np.int64(3), 2.5, "a", 1 + 2j], dtype=object)
    text = write_document("Any", {"values": values})
    back = read_document(text, "Any", ["values"], build=lambda values: values)
    assert back.tolist() == [None, None, 3, 2.5, "a", "(1+2j)"]


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("scores", {"shape": [10**9, 0], "values": []}),
        ("scores", {"shape": [-1, 3]}),
        ("scores", {"shape": [3, 2, 1]}),
        ("scores", {"shape": "3"}),
        ("scores", {"shape": None}),
        ("scores", {"values": [[10**400] * 3] * 2}),
        ("scores", {"dtype": "(1000000000,)f8"}),
        ("scores", {"dtype": "\x1b[2J"}),
        ("scores", {"dtype": [["a", "<f8"]]}),
        ("scores", {"dtype": "M8[s]"}),
        ("sample_indices", {"values": [0, 2**70]}),
        ("sample_indices", {"values": {"0": 1}}),
        ("predictions", {"values": None}),
    ],
)
def test_json_of_impossible_arrays(explanation, field, changes):
    document = json.loads(explanation[:2].to_json())
    document["fields"][field].update(changes)
    with pytest.raises(ValueError, match="its arrays cannot be read") as caught:
        Explanation.from_json(json.dumps(document))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("text", ["[" * 10**5, '{"a":' * 10**5, "1" * 5000, None, "]"])
def test_json_that_cannot_be_read(text):
    with pytest.raises(ValueError, match="not strict JSON"):
        Explanation.from_json(text)


def test_text_is_as_wide_as_it_is_and_not_as_it_claims():
    for shape, values in (([2], ["ab", "c"]), ([0], [])):
        document = {"dtype": "<U500000000", "shape": shape, "values": values}
        text = json.dumps(
            {"format": "sklearn_kmex.Any", "version": 1, "fields": {"x": document}}
        )
        back = read_document(text, "Any", ["x"], build=lambda x: x)
        assert back.tolist() == values
        assert back.itemsize <= 8


def test_json_of_something_else(explanation):
    document = json.loads(explanation[:2].to_json())

    def refused(message, changed):
        with pytest.raises(ValueError, match=message):
            Explanation.from_json(changed)

    refused("it is not strict JSON", "{")
    refused("it is not strict JSON: NaN is not JSON", "[NaN]")
    refused("it is not strict JSON", None)
    refused("and version 1; got 'list'", "[]")
    refused(r"and version 1; got \[None, None\]", "{}")
    refused("version 1; got .*, 2]", json.dumps({**document, "version": 2}))
    refused("with the fields .*; got None", json.dumps({**document, "fields": None}))
    fields = document["fields"]
    for key, value, message in (
        ("margin", None, "margin must be given"),
        ("margin", 3, "cannot be read"),
        ("margin", {"dtype": "<f8", "shape": [9], "values": [1.0]}, "cannot be read"),
        ("margin", {"dtype": "<f8", "shape": [1], "values": [1.0]}, "inconsistent"),
        ("margin", {"dtype": "<M8[s]", "shape": [1], "values": [1]}, "is not one of"),
    ):
        refused(message, json.dumps({**document, "fields": {**fields, key: value}}))
    with pytest.raises(ValueError, match=r"of format 'sklearn_kmex\.Counterfactuals'"):
        Counterfactuals.from_json(explanation.to_json())


def test_frame(explanation):
    pytest.importorskip("pandas")
    table = explanation[4:7].frame()
    assert set(table["sample"]) == {4, 5, 6}
    assert list(table.columns) == [
        "sample", "prediction", "probability", "typicality", "runner_up", "margin",
        "role", "prototype", "prototype_label", "similarity", "training_row",
        "likeness",
    ]  # fmt: skip
    for sample, rows in table.groupby("sample"):
        one = explanation[sample]
        members = rows[rows["role"] == "member"]
        assert_array_equal(members["training_row"], one.members[0])
        assert_array_equal(members["likeness"], one.member_likeness[0])
        assert (members["prototype"] == one.predicted_prototype[0]).all()
        assert (members["similarity"] == one.predicted_similarity[0]).all()
        rows = rows[rows["role"] != "member"]
        assert rows["likeness"].isna().all()
        assert (rows["similarity"].diff().dropna() <= 0).all()
        assert list(rows["prototype"][:3]) == one.prototypes[0].tolist()
        roles = rows.set_index("role")
        assert roles.loc["predicted", "prototype_label"] == one.predictions[0]
        assert roles.loc["runner-up", "prototype_label"] == one.runner_up[0]
        assert rows["probability"].unique() == one.probability
    assert explanation[[]].frame().shape == (0, 12)


def test_frame_of_a_model_without_probabilities():
    pytest.importorskip("pandas")
    table = explain(Prototypes([[0], [9]], ["a", "b"]), [[1.0]]).frame()
    assert "probability" not in table
    assert "likeness" not in table
    assert table["prototype_label"].tolist() == ["a", "b"]
    assert table["similarity"].tolist() == [-1, -8]


@pytest.fixture(scope="module")
def rejecting(digits):
    """An explanation of five accepted and five rejected samples."""
    X, X_test, y, _ = digits
    inner = KMExClassifier(2, random_state=0)
    psem = RejectingClassifier(inner, cv=3, quantile=0.3, reject_label=-1).fit(X, y)
    accepted = psem.accept(X_test)
    order = np.argsort(~accepted, kind="stable")
    return explain(psem, X_test[np.concatenate([order[:5], order[-5:]])])


def test_rejected_samples_are_marked(rejecting):
    assert_array_equal(rejecting.accepted, np.arange(10) < 5)
    assert -1 not in rejecting.predictions
    assert_array_equal(rejecting[4:6].accepted, [True, False])
    same(rejecting, Explanation.from_json(rejecting.to_json()))
    for page in (rejecting.to_html(), rejecting.to_markdown()):
        assert page.count("rejected") == 5
    rows = rejecting.to_markdown().splitlines()[-10:]
    assert ["rejected" in row for row in rows] == [False] * 5 + [True] * 5


def test_frame_marks_rejected_samples(rejecting):
    pytest.importorskip("pandas")
    table = rejecting.frame()
    assert_array_equal(table["accepted"], table["sample"] < 5)


def test_figures_mark_rejected_samples(rejecting):
    pytest.importorskip("matplotlib").use("Agg")
    titles = [ax.get_title() for ax in rejecting.plot(image_shape=(8, 8))[:, 0]]
    assert [", rejected\n" in title for title in titles] == [False] * 5 + [True] * 5


def test_a_model_that_rejects_nothing_has_no_such_field(explanation):
    assert explanation.accepted is None
    assert "rejected" not in explanation.to_html()


@pytest.mark.parametrize("row", [30, -31, 99])
def test_samples_that_are_none(explanation, row):
    with pytest.raises(IndexError, match=f"Explanation of 30 samples must be .* {row}"):
        explanation[row]
    with pytest.raises(IndexError, match=f"one of 30 samples, .* got {row}"):
        explanation.evidence(row)


@pytest.mark.parametrize("key", ["a", 0.5, [True, False]])
def test_keys_that_select_nothing(explanation, key):
    with pytest.raises(IndexError, match="a slice, or a mask of 30 booleans; got"):
        explanation[key]
    with pytest.raises(IndexError, match="the position of one of 30 samples"):
        explanation.evidence(key)


def test_frame_needs_pandas(explanation, monkeypatch):
    assert "training row" in explanation._repr_html_()
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependencyError, match="frame requires pandas"):
        explanation.frame()


def test_html_is_escaped_and_short(explanation):
    model = Prototypes([[0], [9]], ["<script>alert(1)</script>", "b&c"])
    html = explain(model, [[1.0]])._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "<bdi>b&amp;c</bdi>, prototype 1: <bdi>-8</bdi> (runner-up)" in html
    long = explanation._repr_html_()
    assert long.count("<tr>") == 21
    assert "10 more samples; slice to see them" in long
    assert "more samples" not in explanation[:20]._repr_html_()
    assert "<tbody></tbody>" in explanation[[]]._repr_html_()

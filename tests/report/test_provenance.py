"""What is needed to reproduce a report: data, parameters, versions and code."""

import hashlib
from datetime import datetime

import numpy as np
import pytest
from sems import Prototypes
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import sklearn_kmex
from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex.report import SEMReport
from sklearn_kmex.report._provenance import (
    describe_model,
    describe_rows,
    describe_system,
    is_code,
    labels_hash,
    reproduce,
)


def test_hash_of_labels_by_hand():
    assert labels_hash(["a", "b"]) == hashlib.sha256(b"a\nb").hexdigest()
    assert labels_hash(np.array([1, 2], np.int8)) == labels_hash([1, 2])
    assert labels_hash(np.array(["a"], object)) == labels_hash(["a"])
    assert labels_hash(["\ud800"]) != labels_hash(["\ud801"])


def test_rows_are_counted_and_named():
    found = describe_rows(np.zeros((3, 8, 8), np.float32), [0, 1, 0], [b"x", b"y"])
    assert found["n_samples"] == 3
    assert found["sample_shape"] == [8, 8]
    assert found["type"] == "float32"
    assert found["sha256"] == hashlib.sha256(b"xy").hexdigest()
    assert describe_rows(["a"], None, [])["type"] == "list"
    assert describe_rows(["a"], None, [])["labels_sha256"] is None


def test_a_column_of_any_name_does_not_name_the_type():
    frame = pytest.importorskip("pandas").DataFrame({"dtype": [1], "size": [2]})
    assert describe_rows(frame, None, [])["type"] == "DataFrame"


def test_same_rows_have_the_same_hash(iris, iris_psem):
    _, X, _, y = iris

    def hashes(X, y):
        samples = SEMReport(iris_psem, X, y).to_dict()["data"]["samples"]
        return samples["sha256"], samples["labels_sha256"]

    first = hashes(X, y)
    assert hashes(X.copy(), list(y)) == first
    assert hashes(X.iloc[::-1], y)[0] != first[0]
    assert hashes(X, y[::-1])[1] != first[1]


def test_parameters_are_those_of_all_steps(iris):
    X, _, y, _ = iris
    psem = make_pipeline(StandardScaler(), KMExClassifier(2, random_state=0)).fit(X, y)
    found = describe_model(psem, psem[-1])
    assert (found["type"], found["classifier"]) == ("Pipeline", "KMExClassifier")
    assert (found["n_classes"], found["n_prototypes"], found["n_features"]) == (3, 6, 4)
    told = {one["name"]: one["value"] for one in found["parameters"]}
    assert set(told) == set(psem.get_params()) - {"steps"}
    assert told["kmexclassifier"] == "KMExClassifier"
    assert told["standardscaler"] == "StandardScaler"
    assert told["kmexclassifier__n_prototypes"] == "2"
    assert list(told) == sorted(told)
    assert found["has_seed"]


def test_a_pipeline_inside_a_model_is_told_once():
    X, y = np.arange(60.0).reshape(-1, 2) % 7, np.arange(30) % 2
    scale = make_column_transformer((StandardScaler(), make_column_selector()))
    steps = make_pipeline(scale, RandomForestClassifier(5, random_state=0))
    frame = pytest.importorskip("pandas").DataFrame(X, columns=["a", "b"])
    psem = make_kmex(steps.fit(frame, y), n_prototypes=1, random_state=0).fit(frame, y)
    parameters = describe_model(psem, psem[-1])["parameters"]
    told = {one["name"]: one["value"] for one in parameters}
    assert told["kmex__teacher__embedder"] == "the same as embed"
    assert [name for name in told if name.endswith("n_estimators")] == [
        "embed__model__ensemble__n_estimators"
    ]
    assert sum("StandardScaler" in value for value in told.values()) == 1
    assert not any(" at 0x" in value for value in told.values())
    assert " at 0x" not in reproduce(psem, with_training=False)


def test_models_without_parameters():
    psem = Prototypes([[0], [1]], ["a", "b"])
    found = describe_model(psem, psem)
    assert found["parameters"] == []
    assert found["has_seed"]  # nothing says that chance plays a part


def test_missing_seed_is_told(iris):
    X, X_test, y, y_test = iris
    psem = KMExClassifier(2, n_init=1).fit(X, y)
    content = SEMReport(psem, X_test, y_test).to_dict()
    assert content["model"]["has_seed"] is False
    texts = [warning["text"] for warning in content["warnings"]]
    assert "random_state is None: another fit gives other prototypes." in texts


def test_long_parameters_are_cut(iris):
    X, _, y, _ = iris
    psem = KMExClassifier(2, priors=[1 / 3] * 3, random_state=0).fit(X, y)
    psem.priors = ["\n\0" * 10_000]
    found = {
        one["name"]: one["value"] for one in describe_model(psem, psem)["parameters"]
    }
    assert len(found["priors"]) == 300
    assert len(reproduce(psem, with_training=False)) < 5_000


def test_system_and_versions():
    found = describe_system()
    assert datetime.fromisoformat(found["created"]).utcoffset().total_seconds() == 0
    assert found["versions"]["sklearn-kmex"] == sklearn_kmex.__version__
    assert {"python", "numpy", "scikit-learn", "scipy"} <= set(found["versions"])
    assert all(isinstance(version, str) for version in found["versions"].values())


def test_lines_to_repeat_it(iris_psem):
    lines = reproduce(iris_psem, with_training=True).splitlines()
    assert lines[0].startswith("pip install sklearn-kmex==")
    assert f" numpy=={np.__version__}" in lines[0]
    assert lines[1:] == [
        "",
        "psem = KMExClassifier(n_prototypes=3, random_state=0)",
        "psem.fit(X_train, y_train)",
        "SEMReport(psem, X, y, X_train=X_train, y_train=y_train)",
    ]
    assert reproduce(iris_psem, with_training=False).endswith("SEMReport(psem, X, y)")


def test_what_is_no_code_is_called_so(iris_psem):
    said = "# The model in brief: parts of it cannot be written as code."
    assert said not in reproduce(iris_psem, with_training=False)
    for part in (np.log1p, lambda X: X):
        psem = make_kmex(FunctionTransformer(part).fit([[1.0]]), n_prototypes=1)
        psem.fit([[1.0], [2.0], [8.0], [9.0]], [0, 0, 1, 1])
        lines = reproduce(psem, with_training=False).splitlines()
        assert lines.index(said) < lines.index("psem.fit(X_train, y_train)")
    assert not is_code("Pipeline(steps=[(...)])")
    assert not is_code("Net( (0): Linear()")

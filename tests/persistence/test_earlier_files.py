"""Files of an earlier version, one of each kind, load with the same predictions."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp, softmax
from sklearn.base import clone
from sklearn.datasets import load_iris

from sklearn_kmex import KMExClassifier, KMExClassifierCV
from sklearn_kmex.edit import drop_prototypes
from sklearn_kmex.exceptions import ModelFileError
from sklearn_kmex.persistence import load_psem, save_psem

FILES = Path(__file__).parent / "files"
KINDS = sorted(path.stem for path in FILES.glob("*.safetensors"))
TREES = ["sklearn.tree._tree.Tree"]


def load(kind):
    module = None
    if kind == "torch":
        nn = pytest.importorskip("torch.nn")
        module = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    return load_psem(FILES / f"{kind}.safetensors", module, trusted=TREES)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_earlier_file_answers_as_it_did(kind):
    pytest.importorskip("safetensors")
    pytest.importorskip("skops")
    psem = load(kind)
    with np.load(FILES / "answers.npz") as answers:
        X = answers["X"]
        np.testing.assert_array_equal(psem.predict(X), answers[f"{kind}_labels"])
        np.testing.assert_allclose(
            psem.predict_proba(X),
            answers[f"{kind}_probabilities"],
            rtol=1e-5,
            atol=1e-5,  # the rows are of float32
        )


def test_earlier_log_of_edits_has_the_present_keys():
    pytest.importorskip("safetensors")
    pytest.importorskip("skops")
    (entry,) = load("edited").edit_log_
    assert entry["what"] == "drop_prototypes"
    assert entry["reason"] == "looks like another class"
    assert "why" not in entry


def test_earlier_log_of_edits_goes_on(tmp_path):
    pytest.importorskip("safetensors")
    pytest.importorskip("skops")
    psem = drop_prototypes(load("edited"), [0], reason="too rare")
    save_psem(psem, tmp_path / "psem")
    log = load_psem(tmp_path / "psem").edit_log_
    assert log == psem.edit_log_
    assert [one["reason"] for one in log] == ["looks like another class", "too rare"]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_earlier_file_keeps_its_parameters(kind):
    pytest.importorskip("safetensors")
    pytest.importorskip("skops")
    psem = load(kind)
    parameters = clone(psem).get_params()
    assert set(parameters) == set(psem.get_params())
    if kind == "classifier_cv":
        assert [1, 2, 3] in parameters.values()


def test_every_kind_is_there():
    assert len(KINDS) == 9


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
def test_earlier_trees_embed_which_leaf_a_row_is_in(tmp_path):
    pytest.importorskip("safetensors")
    pytest.importorskip("skops")
    psem = load("forest")
    assert (psem["embed"].leaves, psem["embed"].out_of_bag) == ("identity", False)
    save_psem(psem, tmp_path / "psem")
    again = load_psem(tmp_path / "psem", trusted=TREES)["embed"]
    assert (again.leaves, again.out_of_bag) == ("identity", False)


RULE = ("metric", "similarity", "aggregation", "priors")
ABSENT = {
    "metric",
    "shrinkage",
    "teacher",
    "metric_map_",
    "shrinkage_",
    *(f"{name}_" for name in RULE),
}


def save_as_earlier(psem, path, monkeypatch):
    """Save a classifier as the version before did."""
    earlier = type(psem)()
    earlier.__dict__ = {k: v for k, v in vars(psem).items() if k not in ABSENT}
    if psem.priors == "class":
        earlier.priors = "empirical"
    with monkeypatch.context() as patch:
        patch.setattr("sklearn_kmex.persistence._archive.SCHEMA", 1)
        for name, value in {
            "metric": "euclidean",
            "shrinkage": "auto",
            "teacher": None,
        }.items():
            patch.setattr(type(earlier), name, value, raising=False)
        save_psem(earlier, path)


def earlier_probabilities(psem, X):
    """Class scores of the version before over the temperature, as a softmax."""
    similar = psem.transform(X)
    reduce = {"max": np.max, "sum": logsumexp}[psem.aggregation]
    scores = np.stack(
        [
            reduce(similar[:, psem.prototype_classes_ == label], axis=1)
            for label in psem.classes_
        ],
        axis=1,
    )
    return softmax(scores / psem.temperature_ + np.log(psem.class_prior_), axis=1)


@pytest.mark.parametrize("priors", ["uniform", "class", [0.2, 0.3, 0.5]])
@pytest.mark.parametrize("similarity", ["log", "gaussian"])
@pytest.mark.parametrize("aggregation", ["max", "sum"])
def test_earlier_rules_decide_as_they_did(
    priors, similarity, aggregation, tmp_path, monkeypatch
):
    pytest.importorskip("safetensors")
    pytest.importorskip("skops")
    X, y = load_iris(return_X_y=True)
    X, y = X[20:], y[20:]
    psem = KMExClassifier(
        2,
        priors=priors,
        similarity=similarity,
        aggregation=aggregation,
        temperature=1.0 if aggregation == "sum" else 0.3,
        random_state=0,
    ).fit(X, y)
    save_as_earlier(psem, tmp_path / "psem", monkeypatch)
    loaded = load_psem(tmp_path / "psem")
    expected = earlier_probabilities(psem, X)
    np.testing.assert_allclose(loaded.predict_proba(X), expected, rtol=1e-9)
    assert loaded.get_params() == psem.get_params()
    assert loaded.priors_ == priors
    assert loaded.metric_ == "euclidean"
    loaded.partial_fit(X, y)
    save_psem(loaded, tmp_path / "again")
    again = load_psem(tmp_path / "again")
    np.testing.assert_array_equal(again.predict_proba(X), loaded.predict_proba(X))


def test_an_earlier_sum_at_another_temperature_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("safetensors")
    pytest.importorskip("skops")
    X, y = load_iris(return_X_y=True)
    psem = KMExClassifier(2, aggregation="sum", temperature=0.5, random_state=0)
    save_as_earlier(psem.fit(X, y), tmp_path / "psem", monkeypatch)
    message = (
        r'psem cannot be loaded: its aggregation="sum" adds similarities before .* the '
        r"temperature, 0\.5, .*\. Fit the model again, or load it with sklearn-kmex "
    )
    with pytest.raises(ModelFileError, match=message):
        load_psem(tmp_path / "psem")
    psem.set_params(n_prototypes=1).fit(X, y)  # a sum of one
    save_as_earlier(psem, tmp_path / "psem", monkeypatch)
    loaded = load_psem(tmp_path / "psem")
    expected = earlier_probabilities(psem, X)
    np.testing.assert_allclose(loaded.predict_proba(X), expected, rtol=1e-9)


def test_an_earlier_search_keeps_its_settings_and_results():
    pytest.importorskip("safetensors")
    pytest.importorskip("skops")
    psem = load("classifier_cv")
    fixed = {
        "candidates": [1, 2, 3],
        "metric": "euclidean",
        "similarity": "log",
        "aggregation": "max",
        "priors": "uniform",
        "scoring": "accuracy",
    }
    assert fixed.items() <= psem.get_params().items()
    assert set(vars(psem)) == set(vars(_fitted_search()))
    assert psem.cv_results_["accepted"].tolist() == [False, True, True]
    assert psem.cv_results_["rank_test_score"].tolist() == [3, 1, 1]
    assert psem.best_params_ == {
        "n_prototypes": 2,
        "metric": "euclidean",
        "similarity": "log",
        "aggregation": "max",
        "priors": "uniform",
        "shrinkage": "auto",
    }
    assert set(psem.cv_results_) == set(_fitted_search().cv_results_)


def _fitted_search():
    X, y = load_iris(return_X_y=True)
    return KMExClassifierCV([1, 2], cv=3, metric="euclidean", random_state=0).fit(X, y)

"""How prototypes decide, in words, and what was compared."""

import re

import numpy as np
import pytest
from pages import check_report
from sems import Prototypes
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from sklearn_kmex import KMExClassifier, KMExClassifierCV, make_kmex
from sklearn_kmex.report import SEMReport
from sklearn_kmex.report._rule import METRICS, describe_rule


@pytest.fixture(scope="module")
def searched(iris):
    X, _, y, _ = iris
    return KMExClassifierCV([1, 2, 4], cv=3, n_init=1, random_state=0).fit(X, y)


def texts(psem):
    return " ".join(describe_rule(psem)["sentences"])


def test_the_setting_of_the_paper(iris_psem, iris_report):
    found = iris_report.to_dict()["rule"]
    assert found == describe_rule(iris_psem)
    assert (found["metric"], found["priors"]) == ("euclidean", "uniform")
    assert found["temperature"] == iris_psem.temperature_
    assert found["search"] is None
    said = " ".join(found["sentences"])
    assert "Euclidean" in said
    assert "log((d + 1) / (d + 0.0001)), at most 9.21 and at least 0" in said
    assert "The prototype with the highest similarity decides" in said
    assert "All prototypes have the same weight." in said
    assert f"temperature, {iris_psem.temperature_:.3g}, which was fitted" in said
    assert "No other settings were compared." in iris_report.to_markdown()


@pytest.mark.parametrize("metric", METRICS)
def test_each_metric_has_words_of_its_own(blobs, metric):
    X, y = blobs
    psem = KMExClassifier(1, metric=metric, temperature=2, random_state=0).fit(X, y)
    said = texts(psem)
    assert ("vary within a class" in said) == metric.endswith("mahalanobis")
    assert ("scaled to length one" in said) == metric.startswith("cosine")
    assert "temperature, 2, which was given" in said


def test_shrinkage(blobs):
    X, y = blobs
    settings = {"shrinkage": 0.25, "n_prototypes": 1, "random_state": 0}
    psem = KMExClassifier(metric="mahalanobis", **settings).fit(X, y)
    assert describe_rule(psem)["shrinkage"] == 0.25
    assert "shrunk towards 0 by 25%" in texts(psem)
    plain = KMExClassifier(**settings).fit(X, y)
    assert describe_rule(plain)["shrinkage"] is None
    assert "shrunk" not in texts(plain)


def test_weights(blobs):
    X, y = blobs
    X, y = X[y < 2], y[y < 2]
    X, y = np.r_[X, X[y == 1]], np.r_[y, y[y == 1]]  # twice as many of class 1
    rule = {"similarity": "gaussian", "random_state": 0}
    said = texts(KMExClassifier(1, priors="class", **rule).fit(X, y))
    assert "share of its class in the training samples" in said
    assert "The largest weight is 2 times the smallest." in said
    assert "The prototype with the highest weighted similarity decides" in said
    said = texts(
        KMExClassifier(2, priors="prototype", aggregation="sum", **rule).fit(X, y)
    )
    assert "share of the training samples that it represents" in said
    assert "similarities are combined, with weights, into a score of the class" in said
    given = KMExClassifier(1, priors=[0.2, 0.8], **rule).fit(X, y)
    assert describe_rule(given)["priors"] == "given"
    assert "The largest weight is 4 times the smallest." in texts(given)


def test_what_was_compared(searched):
    found, results = describe_rule(searched)["search"], searched.cv_results_
    means = results["mean_test_score"]
    assert (found["measure"], found["labels"]) == ("log loss", "labels")
    assert (found["n_folds"], found["n_settings"]) == (3, len(means))
    assert found["n_accepted"] == results["accepted"].sum()
    settings = found["settings"]
    assert [one["value"] for one in settings[:5]] == sorted(-means)[:5]
    assert settings[0]["worse_by"] == settings[0]["standard_error"] == 0
    (chosen,) = [one for one in settings if one["chosen"]]
    assert chosen["accepted"]
    assert chosen["value"] == -means[searched.best_index_]
    assert chosen["metric"] == searched.metric_
    for one in settings:
        accepted = one["worse_by"] <= one["standard_error"]
        assert one["accepted"] == accepted


def test_why_this_setting(searched):
    index = searched.best_index_
    n, metric = searched.best_params_["n_prototypes"], searched.metric_
    plural = "" if n == 1 else "s"
    start = f"{n} prototype{plural} of each class with the {metric} metric: "
    said = describe_rule(searched)["search"]["reason"]
    n_settings = len(searched.cv_results_["params"])
    assert searched.cv_results_["rank_test_score"][index] > 1
    assert said == (
        f"{start}as good as the best of {n_settings} settings within one standard "
        "error, with the fewest prototypes."
    )


def test_reasons_in_other_cases(iris):
    X, _, y, _ = iris
    rule = {"metric": "cosine", "similarity": "log", "aggregation": "max"}
    rule |= {"priors": "uniform", "cv": 2, "n_init": 1, "random_state": 0}
    only = KMExClassifierCV([2], **rule).fit(X, y)
    assert describe_rule(only)["search"]["reason"] == (
        "2 prototypes of each class with the cosine metric: the only setting that was "
        "compared."
    )
    best = KMExClassifierCV([1, 2, 3], tolerance=0.0, **rule).fit(X, y)
    assert re.fullmatch(
        r"\d prototypes? of each class with the cosine metric: the best of 3 settings; "
        r"none with fewer prototypes is as good within the tolerance of 0\.",
        describe_rule(best)["search"]["reason"],
    )
    rule |= {"per_class": True, "scoring": "accuracy"}
    classes = KMExClassifierCV([0.05, 0.2], **rule).fit(X, y)
    found, counts = describe_rule(classes)["search"], classes.n_prototypes_
    start = f"{counts.min()} to {counts.max()} prototypes of each class with"
    assert found["reason"].startswith(start)
    assert found["measure"] == "accuracy"
    assert found["settings"][0]["n_prototypes"].endswith(" of the samples")


def test_page_card_and_data_show_it(iris, searched):
    _, X_test, _, y_test = iris
    report = SEMReport(searched, X_test, y_test)
    content, page = check_report(report)
    found = content["rule"]["search"]
    summary = " ".join(content["summary"])
    assert f"chosen by held-out training samples: {found['reason']}" in summary
    for text in (page.text, report.to_markdown().replace("\\", "")):
        assert "How prototypes decide" in text
        assert found["reason"] in text
        assert all(s in text for s in content["rule"]["sentences"])
    assert page.text.count("chosen") >= 1
    worst = found["settings"][-1]
    assert f"{worst['value']:.4f}" in page.text
    assert "The test samples of this report were not used." in page.text


def test_probabilities_of_the_black_box_in_place_of_labels():
    X, y = load_digits(return_X_y=True)
    X, y = X[:300] / 16, y[:300]
    mlp = MLPClassifier((16,), solver="lbfgs", max_iter=2000, random_state=0).fit(X, y)
    psem = make_kmex(mlp, n_prototypes={k: 1 + k % 2 for k in range(10)})
    psem.fit(X, y)
    found, page = check_report(SEMReport(psem, X[:100], y[:100]))
    search = found["rule"]["search"]
    assert search["labels"] == "probabilities"
    assert search["settings"][0]["n_prototypes"] == "as given for each class"
    assert search["reason"].startswith("1 to 2 prototypes of each class")
    assert "probabilities of the black box in place of labels" in page.text


def test_the_sum_is_in_the_summary(blobs):
    X, y = blobs
    psem = KMExClassifier(2, aggregation="sum", random_state=0).fit(X, y)
    first = SEMReport(psem, X, y).to_dict()["summary"][0]
    assert first.endswith("the class of the most similar ones taken together.")


def test_a_model_of_another_kind():
    X, y = [[1.0], [9.0]], ["a", "b"]
    report = SEMReport(Prototypes([[0], [10]], y), X, y)
    content, page = check_report(report)
    assert content["rule"] is None
    assert "The classifier is not a KMExClassifier" in page.text
    assert "The classifier is not a KMExClassifier" in report.to_markdown()


def test_the_prototype_that_decides_is_that_of_largest_weighted_similarity(blobs):
    X, y = blobs
    rng = np.random.RandomState(0)
    rows = np.r_[np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:3]]
    X, y = X[rows] + 3 * rng.normal(size=(len(rows), X.shape[1])), y[rows]
    psem = KMExClassifier(1, similarity="gaussian", priors="class", random_state=0)
    psem.fit(X, y)
    assert (psem.transform(X).argmax(axis=1) != psem.predict(X)).any()
    content = SEMReport(psem, X, y).to_dict()
    usage = [card["usage"] for card in content["prototypes"]]
    assert usage == np.bincount(psem.predict(X), minlength=2).tolist()
    assert not any("Other prototypes count" in one for one in content["summary"])

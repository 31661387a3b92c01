"""The nearest row of the runner-up, and prototypes really removed."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from sems import Prototypes, Stubborn
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from sklearn_kmex import KMExClassifier
from sklearn_kmex.explain import Counterfactuals, counterfactuals, explain


def predict_without(psem, removed, row):
    """Predict by the formula of class scores, without some prototypes."""
    T, similar = psem.temperature_, psem.transform(row)[0].astype(float)
    weighted = similar + T * np.log(psem.prototype_weights_)
    weighted[list(removed)] = -np.inf
    combine = logsumexp if psem.aggregation == "sum" else np.max
    of_class = [weighted[psem.prototype_classes_ == c] / T for c in psem.classes_]
    return psem.classes_[np.argmax([combine(some) for some in of_class])]


def smallest_by_trial(psem, row):
    """Size of the smallest set that changes the decision: all sets, by size."""
    before = psem.predict(row)[0]
    ids = range(len(psem.prototypes_))
    for size in range(1, len(ids)):
        for some in combinations(ids, size):
            if predict_without(psem, some, row) != before:
                return size
    raise AssertionError("nothing changes it")


METRICS = ["euclidean", "cosine", "mahalanobis", "cosine_mahalanobis"]


@pytest.mark.parametrize("aggregation", ["max", "sum"])
@pytest.mark.parametrize("similarity", ["log", "gaussian"])
@given(
    seed=st.integers(0, 10**6),
    n_classes=st.integers(2, 3),
    metric=st.sampled_from(METRICS),
    priors=st.sampled_from(["uniform", "class", "prototype"]),
    temperature=st.sampled_from([0.1, 1.0, 3.0]),
)
def test_no_smaller_set_changes_the_decision(
    aggregation, similarity, seed, n_classes, metric, priors, temperature
):
    rng = np.random.RandomState(seed)
    y = np.r_[np.arange(18) % n_classes, np.zeros(6, dtype=int)]
    X = rng.normal(size=(24, 2)) + 0.7 * y[:, np.newaxis]
    psem = KMExClassifier(
        3, aggregation=aggregation, similarity=similarity, temperature=temperature,
        metric=metric, priors=priors, random_state=0, n_init=1,
    ).fit(X, y)  # fmt: skip
    rows = rng.normal(size=(3, 2))
    found = counterfactuals(psem, rows)
    for i, row in enumerate(rows[:, np.newaxis]):
        removed = found.removals[i]
        assert predict_without(psem, removed, row) == found.removed_to[i]
        assert found.removed_to[i] != found.predictions[i] == psem.predict(row)[0]
        assert len(removed) == smallest_by_trial(psem, row)


def test_priors_have_their_say():
    rng = np.random.RandomState(0)
    y = np.repeat([0, 1], [90, 10])
    X = rng.normal(size=(100, 2)) + y[:, np.newaxis]
    psem = KMExClassifier(3, priors="class", random_state=0).fit(X, y)
    found, shown = counterfactuals(psem, X), explain(psem, X)
    assert_array_equal(found.predictions, psem.predict(X))
    assert (shown.margin >= 0).all()
    nearest = psem.prototype_classes_[shown.prototypes[:, 0]]
    overruled = np.flatnonzero(nearest != found.predictions)
    assert len(overruled)  # the prior decided, which the explanation shows
    logs = np.log(psem.predict_proba(X))
    margin = psem.temperature_ * np.abs(logs[:, 0] - logs[:, 1])
    assert_allclose(shown.margin, margin, rtol=1e-6)
    for row in overruled[:5]:
        without = np.where(found.removed[row], -np.inf, psem.transform(X[[row]]))[0]
        scores = [without[psem.prototype_classes_ == label].max() for label in (0, 1)]
        scores += psem.temperature_ * np.log(psem.class_prior_)
        assert scores[1] > scores[0] or np.isinf(scores[0])


def test_by_hand():
    model = Prototypes([[0], [1], [4], [9], [10]], ["a", "a", "b", "c", "c"])
    found = counterfactuals(model, [[0.4], [8.5], [2.2]])
    assert_array_equal(found.predictions, ["a", "c", "a"])
    assert_array_equal(found.runner_up, ["b", "b", "b"])
    # 8.5: c at 0.5 and 1.5, b at 4.5. 2.2: a at 1.2 and 2.2, b at 1.8.
    assert [r.tolist() for r in found.removals] == [[0, 1], [3, 4], [1]]
    assert_array_equal(found.removed_to, ["b", "b", "b"])
    assert_array_equal(found.training_rows, -1)
    assert_allclose(found.distances, [3.6, 4.5, 1.8])


def test_ties_go_to_the_class_that_comes_first():
    for labels, removed in ((["a", "a", "b"], [0, 1]), (["b", "b", "a"], [0])):
        # The second prototype is as near as the one of the other class.
        found = counterfactuals(Prototypes([[1], [-2], [2]], labels), [[0.0]])
        assert found.removals[0].tolist() == removed
        assert found.removed_to[0] != labels[0]


def test_a_class_may_lose_all_its_prototypes():
    X, y = [[0.0], [0.2], [9.0]], [0, 0, 1]
    for aggregation in ("max", "sum"):
        psem = KMExClassifier({0: 2, 1: 1}, aggregation=aggregation, temperature=1.0)
        found = counterfactuals(psem.fit(X, y), [[0.1]])
        assert found.removals[0].tolist() == [0, 1]
        assert found.removed_to[0] == 1


@pytest.mark.parametrize("kind", [np.asarray, list, sparse.csr_matrix, np.float32])
def test_the_nearest_row_is_nearest_of_all(kind, monkeypatch):
    monkeypatch.setattr("sklearn_kmex.explain._search.QUERIES_AT_A_TIME", 7)
    monkeypatch.setattr("sklearn_kmex._data.samples.CHUNK_ROWS", (11, 11))
    X, y = load_iris(return_X_y=True)
    y = np.array(["setosa", "versicolor", "virginica"])[y]
    psem = KMExClassifier(3, random_state=0).fit(X, y)
    found = counterfactuals(psem, kind(X), X_train=kind(X), y_train=y)
    apart = np.where(y == found.runner_up[:, np.newaxis], cdist(X, X), np.inf)
    assert_allclose(found.distances, apart.min(axis=1), rtol=1e-5)
    assert_array_equal(y[found.training_rows], found.runner_up)
    chosen = apart[np.arange(len(X)), found.training_rows]
    assert_allclose(chosen, apart.min(axis=1), rtol=1e-5)


def test_sparse_rows_are_compared_by_cosine():
    X, y = load_iris(return_X_y=True)
    psem = KMExClassifier(2, metric="cosine", random_state=0).fit(X, y)
    wanted = counterfactuals(psem, X, X_train=X, y_train=y)
    rows = sparse.csr_matrix(X)
    found = counterfactuals(psem, rows, X_train=rows, y_train=y)
    assert_allclose(found.distances, wanted.distances, atol=1e-7)
    assert_array_equal(found.removed, wanted.removed)
    assert_allclose(
        counterfactuals(psem, rows).distances, counterfactuals(psem, X).distances
    )


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_nearest_row_is_nearest_in_the_metric(metric, dtype):
    X, y = load_iris(return_X_y=True)
    X = X.astype(dtype)
    psem = KMExClassifier(3, metric=metric, random_state=0).fit(X, y)
    found = counterfactuals(psem, X, X_train=X, y_train=y)
    placed = X.astype(np.float64)
    if metric.startswith("cosine"):
        placed /= np.linalg.norm(placed, axis=1, keepdims=True)
    prototypes = psem.prototypes_.astype(np.float64)
    if metric.endswith("mahalanobis"):
        placed, prototypes = placed @ psem.metric_map_, prototypes @ psem.metric_map_
    apart = np.where(y == found.runner_up[:, np.newaxis], cdist(placed, placed), np.inf)
    tolerance = {"rtol": 1e-6, "atol": 1e-6 if dtype == np.float64 else 2e-3}
    assert_allclose(found.distances, apart.min(axis=1), **tolerance)
    chosen = apart[np.arange(len(X)), found.training_rows]
    assert_allclose(chosen, apart.min(axis=1), **tolerance)
    without = counterfactuals(psem, X)
    apart = np.where(
        psem.prototype_classes_ == found.runner_up[:, np.newaxis],
        cdist(placed, prototypes),
        np.inf,
    )
    assert_allclose(without.distances, apart.min(axis=1), **tolerance)


def test_a_heavy_prototype_is_removed_before_a_nearer_one():
    psem = KMExClassifier(
        {"a": 2, "b": 1}, priors="prototype", similarity="gaussian", temperature=1.0
    ).fit([[-2.0]] * 98 + [[-1.0], [0.5]], ["a"] * 99 + ["b"])
    heavy, light = psem.prototypes_[:2].ravel().argsort()
    found = counterfactuals(psem, [[0.0]])
    # At distances 2, 1 and 0.5; the weight of the first adds log 98 more.
    assert_allclose(found.shift[[heavy, light, 2]], [0, -np.log(98), -np.log(98)])
    assert found.predictions.tolist() == ["a"]
    assert found.removals[0].tolist() == [heavy]
    assert found.removed_to.tolist() == ["b"]


def test_rows_are_compared_as_embeddings():
    X, y = load_iris(return_X_y=True)
    psem = make_pipeline(PCA(1), KMExClassifier(2, random_state=0)).fit(X, y)
    found = counterfactuals(psem, X[:20], X_train=X, y_train=y)
    Z = psem[0].transform(X)
    apart = np.where(y == found.runner_up[:, np.newaxis], cdist(Z[:20], Z), np.inf)
    assert_array_equal(found.training_rows, apart.argmin(axis=1))


def test_without_training_rows_it_is_the_one_behind_the_prototype():
    X, y = load_iris(return_X_y=True)
    psem = KMExClassifier(2, prototype="medoid", random_state=0).fit(X, y)
    found = counterfactuals(psem, X)
    assert_array_equal(y[found.training_rows], found.runner_up)
    apart = np.linalg.norm(X - X[found.training_rows], axis=1)
    assert_allclose(found.distances, apart)


def test_as_data():
    pytest.importorskip("pandas")
    X, y = load_iris(return_X_y=True)
    found = counterfactuals(KMExClassifier(2, random_state=0).fit(X, y), X)
    table = found[48:52].frame()
    assert table["sample"].tolist() == [48, 49, 50, 51]
    assert table["n_removed"].tolist() == [len(r) for r in found.removals[48:52]]
    again = Counterfactuals.from_json(found.to_json())
    assert_array_equal(again.removed, found.removed, strict=True)
    assert_array_equal(again.distances, found.distances, strict=True)


def test_html():
    names = np.array(["<b>a", "b&"])
    psem = Prototypes([[0], [1], [9]], names[[0, 0, 1]])
    html = counterfactuals(psem, np.full((23, 1), 2.0))._repr_html_()
    assert html.count("<tr>") == 21
    assert "3 more samples" in html
    assert "<b>" not in html
    for cell in ("&lt;b&gt;a", "b&amp;", "its nearest prototype", "distance 7"):
        assert f">{cell}</bdi>" in html
    assert ">prototypes 0, 1</bdi></div><div><bdi>to b&amp;</bdi>" in html
    X_train, y_train = [[0.0], [8.0]], names
    html = counterfactuals(psem, [[4.6]], X_train=X_train, y_train=y_train)
    assert "training row 1" in html._repr_html_()
    assert ">prototype 1<" in html._repr_html_()


def test_what_is_refused():
    X, y = load_iris(return_X_y=True)
    psem = KMExClassifier(1).fit(X, y)
    for one, missing in (({"X_train": X}, "y_train"), ({"y_train": y}, "X_train")):
        with pytest.raises(ValueError, match=f"^{missing}, the .* must be given with"):
            counterfactuals(psem, X, **one)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        counterfactuals(psem, X, X_train=X, y_train=y[:9])
    with pytest.raises(ValueError, match=r"y_train must be among .* unknown: \[7\]"):
        counterfactuals(psem, X, X_train=X, y_train=np.where(y == 0, 7, y))
    with pytest.raises(
        ValueError, match="must contain each runner-up; it has no row of"
    ):
        counterfactuals(psem, X, X_train=X[:50], y_train=y[:50])
    with pytest.raises(
        ValueError, match=r"predicts .a. for sample 1, for which another"
    ):
        counterfactuals(Stubborn([[0], [9]], ["a", "b"]), [[1], [8]])

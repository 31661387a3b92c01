"""What explain says of tiny models by hand, and of models on digits."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sems import Prototypes, Stubborn
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_kmex import KMExClassifier, RejectingClassifier, make_kmex
from sklearn_kmex._draw.explained import examples_of
from sklearn_kmex.explain import explain


def column(*values):
    return np.array(values, dtype=float)[:, np.newaxis]


def test_by_hand():
    model = Prototypes([[0], [10], [11], [30]], ["a", "b", "b", "c"])
    found = explain(model, column(2, 28, 10.5), n_prototypes=2)
    assert_array_equal(found.predictions, ["a", "c", "b"])
    assert_array_equal(found.prototypes, [[0, 1], [3, 2], [1, 2]])  # a tie: 1 first
    assert_array_equal(found.prototype_labels, [["a", "b"], ["c", "b"], ["b", "b"]])
    assert_allclose(found.similarities, [[-2, -8], [-2, -17], [-0.5, -0.5]])
    assert_array_equal(found.runner_up, ["b", "b", "a"])
    assert_array_equal(found.runner_up_prototype, [1, 2, 0])
    assert_allclose(found.runner_up_similarity, [-8, -17, -10.5])
    assert_allclose(found.margin, [6, 15, 10])
    assert_allclose(found.scores, [[-2, -8, -28], [-28, -17, -2], [-10.5, -0.5, -19.5]])
    assert_array_equal(found.training_rows, -1)
    assert_array_equal(found.predicted_training_row, -1)
    assert found.probabilities is None
    assert found.probability is None
    assert_array_equal(found.samples, column(2, 28, 10.5))


def test_it_is_what_the_model_says(digits):
    X, X_test, y, _ = digits
    psem = KMExClassifier(3, random_state=0).fit(X, y)
    found = explain(psem, X_test, n_prototypes=4)
    similar, ids = psem.nearest_prototypes(X_test, n=4)
    assert_array_equal(found.prototypes, ids)
    assert_allclose(found.similarities, similar, rtol=1e-9)
    assert_array_equal(found.predictions, psem.predict(X_test))
    chances = psem.predict_proba(X_test)
    assert_allclose(found.probabilities, chances, rtol=1e-6, atol=1e-12)
    assert_allclose(found.probability, chances.max(axis=1), rtol=1e-6)
    assert_allclose(found.scores, psem.decision_function(X_test), rtol=1e-9)
    assert_array_equal(found.predicted_prototype, ids[:, 0])
    assert_array_equal(found.training_rows, psem.prototype_indices_[ids])
    two = np.sort(psem.decision_function(X_test), axis=1)[:, -2:]
    assert_allclose(found.margin, two[:, 1] - two[:, 0])


def test_the_prototype_of_the_predicted_class_is_seen_though_it_is_not_nearest():
    # b is nearest, but the mass of the many a decides.
    X = column(1.0, 1.1, 1.2, 1.3, 1.4, -0.8)
    psem = KMExClassifier(
        {"a": 5, "b": 1}, aggregation="sum", temperature=1.0, random_state=0
    ).fit(X, list("aaaaab"))
    found = explain(psem, [[0.0]], n_prototypes=1)
    assert found.predictions[0] == psem.predict([[0.0]])[0] == "a"
    assert found.prototype_labels[0, 0] == "b"
    nearest = psem.prototypes_[found.predicted_prototype[0]]
    assert_allclose(nearest, [1.0])
    assert found.runner_up[0] == "b"
    assert found.margin[0] > 0
    assert [one.role for one in found.evidence(0)] == ["runner-up", "predicted"]
    assert_allclose(found.margin, abs(psem.decision_function([[0.0]])), rtol=1e-12)


def test_a_model_may_decide_against_its_prototypes():
    found = explain(Stubborn([[0], [10]], ["a", "b"]), column(9))
    assert found.predictions[0] == "a"
    assert found.runner_up[0] == "b"
    assert_allclose(found.margin, [-8])


def test_classes_may_come_in_any_order():
    model = Prototypes([[0], [10], [20]], ["b", "c", "a"], classes=["c", "a", "b"])
    found = explain(model, column(1, 11, 19))
    assert_array_equal(found.predictions, ["b", "c", "a"])
    assert_array_equal(found.runner_up, ["c", "a", "c"])
    assert_allclose(found.scores[0], [-9, -19, -1])


def test_fewer_prototypes_than_asked_for():
    found = explain(Prototypes([[0], [10]], [0, 1]), column(1), n_prototypes=7)
    assert found.prototypes.shape == (1, 2)


@pytest.mark.parametrize("kind", [sparse.csr_matrix, list, np.float32])
def test_input_of_other_kinds(kind, blobs):
    X, y = blobs
    psem = make_pipeline(StandardScaler(with_mean=False), KMExClassifier(1))
    psem.fit(X, y)
    found = explain(psem, kind(X[:5]), X_train=kind(X))
    assert_array_equal(found.predictions, y[:5])
    assert (found.samples is None) == sparse.issparse(kind(X))


def test_frames_and_texts_have_no_pictures(blobs):
    pd = pytest.importorskip("pandas")
    X, y = blobs
    frame = pd.DataFrame(X, columns=list("abcd"))
    found = explain(KMExClassifier(1).fit(frame, y), frame, X_train=frame)
    assert found.samples is found.examples is found.training_samples is None
    texts = ["a b", "b c", "x y", "y z"]
    lengths = FunctionTransformer(lambda X: np.array([[ord(t[0])] for t in X]))
    psem = make_pipeline(lengths, KMExClassifier(1, temperature=1.0))
    found = explain(psem.fit(texts, [0, 0, 1, 1]), texts, X_train=texts)
    assert_array_equal(found.predictions, [0, 0, 1, 1])
    assert found.samples.tolist() == texts
    rows = psem[-1].prototype_indices_
    assert found.examples.tolist() == [texts[row] for row in rows]
    assert "<img" not in found.to_html()


def test_training_examples(digits):
    X, X_test, y, _ = digits
    psem = KMExClassifier(2, random_state=0).fit(X, y)
    for rows in (X, list(X)):
        found = explain(psem, X_test[:5], X_train=rows)
        assert_array_equal(found.training_samples, X[found.training_rows])
        kept = examples_of(found, found.runner_up_prototype)
        assert_array_equal(kept, X[found.runner_up_training_row])
        assert_array_equal(found[3:].training_samples, X[found.training_rows[3:]])
    assert explain(psem, X_test[:5]).training_samples is None


def test_training_examples_of_another_set(blobs):
    X, y = blobs
    psem = KMExClassifier(2, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="X_train must hold the rows that psem was"):
        explain(psem, X, X_train=X[:5])
    with pytest.raises(ValueError, match=r"represented by the rows \[-1\]"):
        explain(Prototypes([[0], [1]], [0, 1]), column(1), X_train=column(1))


def test_relevance_of_the_users_own(blobs):
    X, y = blobs
    psem = KMExClassifier(2, random_state=0).fit(X, y)
    assert_array_equal(explain(psem, X, relevance=-X).relevance, -X)

    def toward(model, X, prototypes):
        return X[:, np.newaxis] - model.prototypes_[prototypes]

    found = explain(psem, X, relevance=toward)
    assert found.relevance.shape == (90, 3, 4)
    assert found[5].relevance.shape == (1, 3, 4)
    assert explain(psem, X, relevance=False).relevance is None
    with pytest.raises(ValueError, match=r"array of shape \(90, ...\); got shape \(3"):
        explain(psem, X, relevance=X[:3])


@pytest.mark.parametrize(
    ("relevance", "error", "message"),
    [
        (
            "margin",
            ValueError,
            r"relevance must be True, .*'occlusion'.*; got 'margin'",
        ),
        ("epsilon_box", ValueError, r"got 'epsilon_box'.* pass functools.partial"),
        (
            lambda a, b: b,
            TypeError,
            r"as relevance\(psem, X, prototypes=prototypes\); .* takes \(a, b\)",
        ),
    ],
)
def test_relevance_that_cannot_be_computed(blobs, relevance, error, message):
    psem = KMExClassifier(2, random_state=0).fit(*blobs)
    with pytest.raises(error, match=message):
        explain(psem, blobs[0], relevance=relevance)


def test_relevance_by_name_is_that_of_the_margin_and_of_prototypes(blobs, monkeypatch):
    X, y = blobs
    psem = KMExClassifier(2, random_state=0).fit(X, y)
    calls = []

    def relevance(model, X, target, *, prototypes=None, method="default"):
        calls.append((model, target, prototypes, method))
        shape = (len(X),) if prototypes is None else prototypes.shape
        return np.full((*shape, X.shape[1]), float(prototypes is None))

    monkeypatch.setattr("sklearn_kmex.explain._maps.relevance", relevance)
    for asked, method in ((True, "default"), ("epsilon", "epsilon")):
        found = explain(psem, X, n_prototypes=2, relevance=asked)
        assert_array_equal(found.relevance, np.ones((90, 4)))
        assert_array_equal(found.prototype_relevance, np.zeros((90, 2, 4)))
        assert found.relevance_of == "margin"
        assert found.inputs is None
        assert found[3].prototype_relevance.shape == (1, 2, 4)
        for model, target, _, by in calls[-2:]:
            assert model.prototypes_ is psem.prototypes_
            assert (target, by) == ("margin", method)
        assert calls[-2][2] is None
        assert_array_equal(calls[-1][2], found.prototypes)


def test_the_encoder_runs_once(digits):
    X, X_test, y, _ = digits
    calls = []

    def encoder(X):
        calls.append(len(X))
        return X

    psem = make_kmex(encoder, n_prototypes=1).fit(X, y)
    calls.clear()
    explain(psem, X_test)
    assert calls == [len(X_test)]


@pytest.mark.parametrize("inside", [True, False])
def test_rejections_are_those_of_the_model(digits, inside):
    X, X_test, y, _ = digits
    sem, settings = KMExClassifier(2, random_state=0), {"cv": 3, "quantile": 0.3}
    psem = make_pipeline(StandardScaler(), RejectingClassifier(sem, **settings))
    if inside:
        inner = make_pipeline(StandardScaler(), sem)
        psem = RejectingClassifier(inner, **settings)
    psem.fit(X, y)
    accepted = (
        psem.accept(X_test) if inside else psem[-1].accept(psem[0].transform(X_test))
    )
    assert 0 < accepted.mean() < 1
    assert_array_equal(explain(psem, X_test).accepted, accepted)


def test_a_stream_whose_class_has_not_come():
    psem = KMExClassifier(1).partial_fit([[0.0], [1.0]], [0, 1], classes=[0, 1, 2])
    found = explain(psem, [[0.0]])
    assert found.scores[0, 2] == -np.inf
    assert found.runner_up[0] == 1
    psem = KMExClassifier(1).partial_fit([[0.0], [1.0]], [0, 0], classes=[0, 1])
    with pytest.raises(ValueError, match="prototypes of at least two classes"):
        explain(psem, [[0.0]])


def test_what_is_refused():
    class Wide(Prototypes):
        def transform(self, X):
            return np.zeros((len(X), 3))

    class Elsewhere(Stubborn):
        def predict(self, X):
            return ["c"] * len(X)

    with pytest.raises(TypeError, match="must decide by prototypes"):
        explain(LogisticRegression().fit([[0], [1]], [0, 1]), [[0]])
    with pytest.raises(ValueError, match="each of the 2 prototypes; got 3 columns"):
        explain(Wide([[0], [1]], [0, 1]), column(1))
    with pytest.raises(
        ValueError, match=r"among the classes of psem.*unknown: \['c'\]"
    ):
        explain(Elsewhere([[0], [1]], ["a", "b"]), column(1))
    with pytest.raises(ValueError, match=r"a class of \['0', 'a', 'b'\] has none"):
        explain(Stubborn([[0], [1]], ["a", "b"], classes=["0", "a", "b"]), column(1))
    with pytest.raises(ValueError, match="'n_prototypes' parameter of explain"):
        explain(Prototypes([[0], [1]], [0, 1]), column(1), n_prototypes=0)


def test_a_selection_of_a_dask_array_is_explained():
    da = pytest.importorskip("dask.array")
    X, y = load_iris(return_X_y=True)
    psem = KMExClassifier(2, random_state=0).fit(X, y)
    lazy = da.from_array(X, chunks=(40, 4))
    found = explain(psem, lazy[lazy[:, 0] > 6])
    assert_array_equal(found.predictions, psem.predict(X[X[:, 0] > 6]))
    assert_array_equal(found.samples, X[X[:, 0] > 6])

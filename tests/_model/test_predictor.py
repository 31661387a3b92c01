"""What a fitted classifier answers, and that its answers agree."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp, softmax
from sklearn.metrics import pairwise_distances

from sklearn_kmex import KMExClassifier
from sklearn_kmex._model.metric import METRICS, Metric

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn_kmex.exceptions.KMExWarning",
    "ignore:The number of unique classes",
)


@pytest.fixture(scope="module")
def psem(digits):
    X, _, y, _ = digits
    return KMExClassifier(3, random_state=0).fit(X, y)


def test_similarities_are_those_of_the_paper(psem, digits):
    _, X, _, _ = digits
    d = pairwise_distances(X, psem.prototypes_)
    assert_allclose(psem.transform(X), np.log((d + 1) / (d + 1e-4)), rtol=1e-9)
    psem_gaussian = KMExClassifier(3, similarity="gaussian", random_state=0)
    psem_gaussian.fit(digits[0], digits[2])
    assert_allclose(psem_gaussian.transform(X), -(d**2) / 2, rtol=1e-9)


def test_scores_are_the_largest_similarity_or_the_mass(psem, digits):
    X_train, X, y, _ = digits
    similar = psem.transform(X).reshape(len(X), 10, 3)
    assert_array_equal(psem.decision_function(X), similar.max(axis=2))
    assert_array_equal(
        psem.predict(X), psem.prototype_classes_[psem.transform(X).argmax(1)]
    )
    mass = KMExClassifier(3, aggregation="sum", temperature=1.0, random_state=0)
    mass.fit(X_train, y)
    assert_allclose(mass.decision_function(X), logsumexp(similar, axis=2), rtol=1e-9)
    # At temperature 1 this is the released code: softmax over all prototypes, summed.
    released = softmax(psem.transform(X), axis=1).reshape(len(X), 10, 3).sum(axis=2)
    assert_allclose(mass.predict_proba(X), released, rtol=1e-9)


def test_nearest_prototypes_come_in_order(psem, digits):
    _, X, _, _ = digits
    similar, ids = psem.nearest_prototypes(X, n=30)
    assert_array_equal(np.sort(ids, axis=1), np.tile(np.arange(30), (len(X), 1)))
    assert (np.diff(similar, axis=1) <= 0).all()
    assert_array_equal(similar, np.take_along_axis(psem.transform(X), ids, axis=1))
    first, one = psem.nearest_prototypes(X)
    assert first.shape == one.shape == (len(X), 1)
    assert_array_equal(psem.score_samples(X), first[:, 0])
    assert_array_equal(psem.prototype_classes_[one[:, 0]], psem.predict(X))


@pytest.mark.parametrize("n", [0, 31, 1.0, "2"])
def test_nearest_prototypes_refuses(psem, digits, n):
    with pytest.raises(ValueError, match=r"n must be an int between 1 and .* 30; got"):
        psem.nearest_prototypes(digits[1], n=n)


def test_unseen_kinds_of_rows_have_low_scores(psem, digits):
    X = digits[1]
    noise = np.random.default_rng(0).permuted(X, axis=1)
    assert np.median(psem.score_samples(X)) > np.quantile(
        psem.score_samples(noise), 0.9
    )


def test_two_classes_give_one_score_whose_sign_decides(digits):
    X, X_test, y, _ = digits
    psem = KMExClassifier(3, random_state=0).fit(X, np.where(y < 5, "low", "more"))
    scores = psem.decision_function(X_test)
    assert scores.shape == (len(X_test),)
    assert_array_equal(psem.predict(X_test), np.where(scores > 0, "more", "low"))


def test_rows_are_scored_alike_alone_and_in_blocks(psem, digits, monkeypatch):
    X = digits[1]
    whole = psem.predict_proba(X), psem.transform(X), psem.nearest_prototypes(X, 2)[1]
    monkeypatch.setattr("sklearn_kmex._data.arrays.BLOCK_ELEMENTS", 7 * X.shape[1])
    parts = psem.predict_proba(X), psem.transform(X), psem.nearest_prototypes(X, 2)[1]
    for one, other in zip(whole, parts, strict=True):
        assert_allclose(one, other, rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("similarity", ["log", "gaussian"])
@pytest.mark.parametrize("aggregation", ["max", "sum"])
def test_outputs_keep_the_dtype(digits, dtype, similarity, aggregation):
    X, X_test, y, _ = digits
    psem = KMExClassifier(2, similarity=similarity, aggregation=aggregation)
    psem.fit(X.astype(dtype), y)
    for method in (
        "transform",
        "predict_proba",
        "predict_log_proba",
        "decision_function",
    ):
        assert getattr(psem, method)(X_test.astype(dtype)).dtype == dtype


def test_feature_names_and_frames(digits):
    pd = pytest.importorskip("pandas")
    X, X_test, y, _ = digits
    columns = [f"pixel {j}" for j in range(64)]
    frame = pd.DataFrame(X, columns=columns)
    psem = KMExClassifier({k: 1 + (k == 9) for k in range(10)}, random_state=0)
    psem.set_output(transform="pandas").fit(frame, y)
    names = [*(f"{k}_prototype_0" for k in range(10)), "9_prototype_1"]
    assert list(psem.get_feature_names_out()) == names
    out = psem.transform(pd.DataFrame(X_test, columns=columns, index=X_test[:, 2]))
    assert list(out.columns) == names
    assert_array_equal(out.index, X_test[:, 2])
    with pytest.raises(ValueError, match="feature names should match"):
        psem.predict(frame[columns[::-1]])
    with pytest.raises(ValueError, match="input_features is not equal"):
        psem.get_feature_names_out(columns[::-1])


FLOATS = st.floats(-1e6, 1e6, allow_nan=False, width=32)


def priors_of(n_classes):
    """Equal ones half of the time, and unequal ones down to 1e-12."""
    some = st.lists(st.floats(1e-12, 1), min_size=n_classes, max_size=n_classes)
    given = some.map(lambda values: list(np.array(values) / np.sum(values)))
    named = st.sampled_from(["uniform", "class", "prototype"])
    return st.one_of(named, named, given)


@st.composite
def problems(draw):
    """Rows with many ties and scales, labels of two classes or more, settings."""
    n_classes = draw(st.integers(2, 4))
    n_rows = draw(st.integers(n_classes, 14))
    shape = (n_rows, draw(st.integers(1, 3)))
    scale = draw(st.sampled_from([1e-12, 1e-3, 1.0, 1e5, 1e12]))
    elements = st.one_of(FLOATS, st.integers(-3, 3).map(float))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    X = draw(arrays(np.float64, shape, elements=elements)) * scale
    y = draw(st.permutations([i % n_classes for i in range(n_rows)]))
    parameters = {
        "n_prototypes": draw(st.integers(1, 4)),
        "metric": draw(st.sampled_from(METRICS)),
        "shrinkage": draw(st.sampled_from(["auto", 0.0, 0.5])),
        "similarity": draw(st.sampled_from(["log", "gaussian"])),
        "aggregation": draw(st.sampled_from(["max", "sum"])),
        "prototype": draw(st.sampled_from(["centroid", "medoid"])),
        "temperature": draw(
            st.one_of(st.just("auto"), st.floats(1e-300, 1e300, exclude_min=True))
        ),
        "priors": draw(priors_of(n_classes)),
        "n_init": 1,
        "random_state": 0,
    }
    return X.astype(dtype), np.array(y), parameters


def with_direction(X, metric):
    """Rows that a metric takes: a cosine has none for rows of zeros."""
    if not metric.startswith("cosine"):
        return X
    return np.where(abs(X).max(axis=1, keepdims=True) > 0, X, X.dtype.type(1))


def varies(X, y, parameters):
    """Whether rows differ within a class in a metric, by nothing or more than rounding.

    Rows of the same direction may differ in the last digit once they have length one.
    """
    rows = Metric(parameters["metric"]).direction(X)
    spread = KMExClassifier(1, metric="euclidean").fit(rows, y).inertia_.sum()
    rounding = 16 * np.finfo(X.dtype).eps * abs(rows).max()
    assume(spread == 0 or spread > len(X) * rounding**2)
    return spread > 0


@given(problems())
def test_all_decisions_agree_and_no_prototype_is_a_ghost(problem):
    X, y, parameters = problem
    X = with_direction(X, parameters["metric"])
    if parameters["metric"].endswith("mahalanobis") and not varies(X, y, parameters):
        with pytest.raises(ValueError, match="must vary within a class"):
            KMExClassifier(**parameters).fit(X, y)
        return
    psem = KMExClassifier(**parameters).fit(X, y)
    assert (psem.prototype_counts_ > 0).all()
    assert_allclose(psem.prototype_counts_.sum(), len(X))
    assert set(psem.prototype_classes_) == set(y)
    assert np.isfinite(psem.temperature_)
    assert psem.temperature_ > 0

    near = X + np.random.RandomState(0).normal(size=X.shape).astype(X.dtype)
    for rows in (X, near, np.zeros_like(X)):
        rows = with_direction(rows, parameters["metric"])
        label = psem.predict(rows)
        scores, probabilities = psem.decision_function(rows), psem.predict_proba(rows)
        if len(psem.classes_) == 2:
            assert_array_equal(label, psem.classes_[(scores > 0).astype(int)])
        else:
            assert_array_equal(label, psem.classes_[scores.argmax(axis=1)])
        assert_array_equal(label, psem.classes_[probabilities.argmax(axis=1)])
        log_p = psem.predict_log_proba(rows)
        assert_array_equal(label, psem.classes_[log_p.argmax(axis=1)])
        assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
        assert (log_p <= 0).all()
        if parameters["aggregation"] == "max" and np.ptp(psem.prototype_weights_) == 0:
            ids = psem.nearest_prototypes(rows)[1][:, 0]
            assert_array_equal(psem.prototype_classes_[ids], label)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_that_are_a_subnormal_number_apart(dtype):
    X = np.zeros((3, 1), dtype)
    X[2] = np.finfo(dtype).smallest_subnormal
    psem = KMExClassifier(1).fit(X, [0, 1, 0])
    assert_allclose(psem.prototypes_, 0, atol=X[2, 0])
    assert np.isfinite(psem.predict_proba(X)).all()


def test_decisions_agree_where_float32_cannot_tell_probabilities_apart():
    X = np.array([[0.0], [1.0], [2.0]], dtype=np.float32)
    psem = KMExClassifier(1, temperature=1e30).fit(X[[0, 2, 0, 2]], [0, 1, 0, 1])
    between = np.float32([[1.01]])
    assert_array_equal(psem.predict_proba(between).argmax(axis=1), [1])
    assert_array_equal(psem.predict(between), [1])


def test_a_row_equal_to_a_medoid_has_the_largest_similarity():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(60, 20)) + 1e6
    psem = KMExClassifier(3, prototype="medoid", random_state=0).fit(
        X, np.arange(60) % 2
    )
    itself = psem.transform(psem.prototypes_).diagonal()
    assert_allclose(itself, np.log(1e4), rtol=1e-12)


@pytest.mark.parametrize("aggregation", ["max", "sum"])
def test_priors_are_those_of_bayes(digits, aggregation):
    X, X_test, y, _ = digits
    priors = np.r_[0.91, np.full(9, 0.01)]
    plain = KMExClassifier(3, aggregation=aggregation, random_state=0).fit(X, y)
    psem = KMExClassifier(3, aggregation=aggregation, priors=priors, random_state=0)
    psem.fit(X, y)
    assert_allclose(psem.class_prior_, priors)
    assert psem.temperature_ == plain.temperature_
    mass = plain.predict_proba(X_test) * priors
    posterior = mass / mass.sum(axis=1, keepdims=True)
    assert_allclose(psem.predict_proba(X_test), posterior, atol=1e-9)
    shift = psem.temperature_ * np.log(priors / 0.91)
    assert_allclose(
        psem.decision_function(X_test), plain.decision_function(X_test) + shift
    )
    assert (psem.predict(X_test) == 0).sum() > (plain.predict(X_test) == 0).sum()


@pytest.mark.parametrize("temperature", [1e-300, "auto", 1e300])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_priors_change_nothing(digits, temperature, dtype):
    X, X_test, y, _ = digits
    settings = {"n_init": 1, "random_state": 0, "temperature": temperature}
    answers = [
        (psem.decision_function(X_test), psem.predict_proba(X_test))
        for priors in ("uniform", [0.1] * 10)
        for psem in [KMExClassifier(2, priors=priors, **settings)]
        if psem.fit(X.astype(dtype), y)
    ]
    assert_array_equal(answers[0][0], answers[1][0])
    assert_array_equal(answers[0][1], answers[1][1])
    similar = psem_scores(X.astype(dtype), y, X_test, settings)
    assert_array_equal(answers[0][0], similar)


def psem_scores(X, y, X_test, settings):
    """Largest similarity to a prototype of each class: the score without priors."""
    psem = KMExClassifier(2, **settings).fit(X, y)
    return psem.transform(X_test).reshape(len(X_test), 10, 2).max(axis=2)


def test_html_representation_shows_the_fitted_attributes(psem):
    assert "KMExClassifier" in psem._repr_html_()

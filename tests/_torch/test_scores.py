"""Scores of embeddings and their relevance, against numbers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

torch = pytest.importorskip("torch")
pytest.importorskip("zennit")

from sklearn_kmex._model.metric import Metric
from sklearn_kmex._model.rule import Rule
from sklearn_kmex._torch import scores
from sklearn_kmex._torch.projection import Affine, Length
from sklearn_kmex._torch.scores import Prototypes, Target, prp


def known(vectors, codes, similarity="log", aggregation="max", **how):
    """Prototypes and how they decide; all weigh the same unless `weights` are given."""
    codes = np.asarray(codes)
    how = {"weights": np.ones(len(codes)), "metric": Metric(), **how}
    vectors = np.asarray(vectors, dtype=float)
    return Rule(
        vectors, codes, codes.max() + 1,
        similarity=similarity, aggregation=aggregation, **how,
    )  # fmt: skip


def make_score(target, rule, reference, layers=()):
    return scores.make_score(target, Prototypes.of(rule, layers, reference))


def target(kind, rule, codes, rivals=None, prototypes=((0,),)):
    rivals = codes if rivals is None else rivals
    parts = (np.asarray(part) for part in (codes, rivals, prototypes))
    return Target(kind, rule, *parts, None, ())


def shares(Z, vectors, scores=1.0):
    Z, vectors = torch.tensor([Z]), torch.tensor([[vectors]])
    return prp(Z, Z[:, None] - vectors, torch.tensor([[scores]])).numpy()[0, 0]


def test_prp_gives_more_to_channels_that_agree():
    # d = (0, 4, 8), m = 0.4: |z| / (d + m) = 10/4, 30/44, 10/84.
    found = shares([1.0, 3.0, 1.0], [1.0, 1.0, 1 + 8**0.5], 1.0)
    parts = np.array([10 / 4, 30 / 44, 10 / 84])
    assert_allclose(found, parts / parts.sum(), rtol=1e-6)


def test_prp_gives_more_to_channels_with_large_values():
    found = shares([1.0, -3.0], [3.0, -1.0], 8.0)  # d = (4, 4)
    assert_allclose(found, [2, 6], rtol=1e-6)


def test_prp_of_a_negative_score_is_the_same_share_of_it():
    found = shares([1.0, 3.0], [1.0, 1.0], -12.0)  # d = (0, 4), m = 0.2: 5, 3 / 4.2
    assert_allclose(found, [-12 * 7 / 8, -12 / 8], rtol=1e-6)


def test_prp_leaves_out_channels_that_are_zero():
    found = shares([1.0, 3.0**0.5, 0.0], [0.0, 0.0, 0.0], 1.0)
    first, second = 1 / (1 + 0.4 / 3), 3**0.5 / (3 + 0.4 / 3)  # d = (1, 3, 0)
    total = first + second
    assert_allclose(found, [first / total, second / total, 0], rtol=1e-6)


def test_prp_of_a_sample_at_the_prototype_and_of_one_without_values():
    assert_allclose(shares([1.0, 2.0], [1.0, 2.0], 6.0), [2, 4])
    assert_allclose(shares([0.0, 0.0], [1.0, 1.0], 6.0), [3, 3])


def explained(Z, rule, layers=()):
    """Relevance of the similarity to prototype 0."""
    Z = torch.tensor([Z])
    score = make_score(target("similarity", "prp", [0]), rule, Z, layers)
    found = score.relevance(Z)[0, 0].numpy()
    assert_allclose(found.sum(), score.values(Z)[0, 0])
    return found


def test_prp_in_a_metric_by_hand():
    # M = map @ map' = [[4, 2], [2, 2]], z - p = (1, -2), M (z - p) = (0, -2). If one
    # channel were free, the distance would fall by 0 or by 2**2 / 2 = 2: m = 0.1.
    # Sizes are |z| times the square roots of 4 and 2.
    metric = Metric("mahalanobis", np.array([[2.0, 0.0], [1.0, 1.0]]))
    rule = known([[2.0, 3.0]], [0], "gaussian", metric=metric)
    found = explained([3.0, 1.0], rule)
    parts = np.array([3 * 2 / 0.1, 1 * 2**0.5 / 2.1])
    assert_allclose(found, -0.5 * 4 * parts / parts.sum())


def test_prp_after_a_scaler_is_that_of_the_scaled_embedding():
    rule = known([[2.0, 3.0]], [0])
    scaler = Affine(np.diag([2.0, 0.5]), np.zeros(2))
    found = explained([3.0, 1.0], rule, [scaler])
    assert_allclose(found, explained([6.0, 0.5], rule))


def test_channels_that_a_step_drops_get_no_relevance():
    rule = known([[2.0, 3.0]], [0])
    select = Affine(np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]), np.zeros(2))
    assert_allclose(explained([3.0, 7.0, 1.0], rule, [select])[1], 0)


def test_prp_of_a_direction_is_that_of_the_row_of_length_one():
    cosine = known([[0.6, 0.7]], [0], metric=Metric("cosine"))
    expected = explained([0.6, 0.8], known([[0.6, 0.7]], [0]))
    assert_allclose(explained([3.0, 4.0], cosine), expected)
    assert_allclose(
        explained([3.0, 4.0], known([[0.6, 0.7]], [0]), [Length(2)]), expected
    )


def test_a_row_of_zeros_has_no_direction_and_no_error():
    cosine = known([[0.6, 0.7]], [0], metric=Metric("cosine"))
    assert np.isfinite(explained([0.0, 0.0], cosine)).all()


def test_the_weights_of_prototypes_get_no_relevance():
    Z = torch.tensor([[1.0, 1.0]], dtype=float)  # similarities -1 and -2.5
    how = {"weights": np.array([np.exp(-4), 1, 1]), "temperature": 2.0}
    rule = known(VECTORS, CODES, "gaussian", **how)  # weighted: -9 and -2.5
    score = make_score(target("class", "prp", [0]), rule, Z)
    assert_allclose(score.values(Z), [[-2.5]])
    assert_allclose(score.relevance(Z).sum(-1), [[-2.5]])
    score = make_score(target("class", "prp", [0]), rule._replace(aggregation="sum"), Z)
    weighted = np.array([-9, -2.5])
    total = 2 * np.log(np.exp(weighted / 2).sum())
    parts = np.exp(weighted / 2) / np.exp(weighted / 2).sum()
    assert_allclose(score.values(Z), [[total]])
    assert_allclose(score.relevance(Z).sum(-1), [[total + 8 * parts[0]]])


@given(st.integers(0, 10**6), st.integers(1, 5), st.floats(0.001, 1000))
def test_prp_sums_to_the_similarity(seed, n_features, scale):
    rng = np.random.default_rng(seed)
    Z = torch.tensor(scale * rng.normal(size=(4, n_features)))
    vectors = torch.tensor(scale * rng.normal(size=(4, 3, n_features)))
    scores = torch.tensor(rng.uniform(0.1, 9, size=(4, 3)))
    found = prp(Z, Z[:, None] - vectors, scores)
    assert_allclose(found.sum(-1), scores)
    assert (found >= 0).all()


@given(st.integers(0, 10**6), st.integers(2, 4), st.integers(1, 3), st.integers(1, 6))
def test_the_margin_is_positive_where_the_nearest_prototype_is_of_the_class(
    seed, n_classes, n_each, n_features
):
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(n_classes), n_each)
    vectors = rng.normal(size=(len(codes), n_features))
    Z = rng.normal(size=(8, n_features))
    labels = rng.integers(n_classes, size=8)
    apart = ((Z[:, np.newaxis] - vectors) ** 2).sum(2)
    own = np.where(codes == labels[:, np.newaxis], apart, np.inf).min(1)
    rival = np.where(codes != labels[:, np.newaxis], apart, np.inf).min(1)

    score = make_score(
        target("margin", "neuralized", labels), known(vectors, codes), torch.tensor(Z)
    )
    values = score.values(torch.tensor(Z)).numpy()[:, 0]
    assert_allclose(values, rival - own, rtol=1e-4, atol=1e-9)
    assert_array_equal(values > 0, codes[apart.argmin(1)] == labels)
    assert_allclose(score.relevance(torch.tensor(Z)).sum(-1)[:, 0], values)


def test_the_margin_by_hand():
    # a = (1, 0), b = (-1, 2): 2 (a - b) (z - (a + b) / 2) = (4, -4) * (z - (0, 1)).
    score = make_score(
        target("margin", "neuralized", [1]),
        known([[-1, 2], [1, 0], [50, 50]], [0, 1, 0]),
        torch.zeros(1, dtype=float),
    )
    Z = torch.tensor([[0.5, 0.5]], dtype=float)
    assert_allclose(score.relevance(Z)[0, 0], [2, 2])
    assert_allclose(score.values(Z), [[4]])


VECTORS, CODES = [[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]], [0, 0, 1]


def test_similarities_are_those_of_the_classifier():
    # Distances of (0, 0): 0, 3, 4.
    Z = torch.zeros(1, 2, dtype=float)
    log = np.log((np.array([0, 3, 4]) + 1) / (np.array([0, 3, 4]) + 1e-4))
    everything = target("similarity", "prp", [0], prototypes=[[0, 1, 2]])
    score = make_score(everything, known(VECTORS, CODES), Z)
    assert_allclose(score.values(Z)[0], log)
    score = make_score(everything, known(VECTORS, CODES, "gaussian"), Z)
    assert_allclose(score.values(Z)[0], [0, -4.5, -8])


def test_a_class_score_uses_its_best_prototype_or_all_of_them():
    Z = torch.tensor([[1.0, 0.0]], dtype=float)  # 1 and 2 away from those of class 0
    similar = np.array([-0.5, -2.0])
    best = make_score(target("class", "prp", [0]), known(VECTORS, CODES, "gaussian"), Z)
    assert_allclose(best.values(Z), [[-0.5]])
    assert_allclose(best.relevance(Z)[0, 0], [-0.5, 0])  # the second channel is zero

    both = known(VECTORS, CODES, "gaussian", "sum")
    every = make_score(target("class", "prp", [0]), both, Z)
    total = np.log(np.exp(similar).sum())
    assert_allclose(every.values(Z), [[total]])
    assert_allclose(every.relevance(Z).sum(-1), [[total]])
    Z = torch.tensor(
        [[1.0, 1.0]], dtype=float
    )  # no channel is zero: d = (1, 1), (4, 1)
    similar = np.array([-1.0, -2.5])
    weights = np.exp(similar) / np.exp(similar).sum()
    total = np.log(np.exp(similar).sum())
    first, second = np.array([0.5, 0.5]), np.array([1 / 4.25, 1 / 1.25])
    expected = total * (weights[0] * first + weights[1] * second / second.sum())
    assert_allclose(every.relevance(Z)[0, 0], expected)


def test_under_prp_the_margin_is_a_difference_of_class_scores():
    Z = torch.tensor([[1.0, 1.0]], dtype=float)
    score = make_score(
        target("margin", "prp", [0], [1]), known(VECTORS, CODES, "gaussian"), Z
    )
    assert_allclose(score.values(Z), [[-1 - -5]])
    assert_allclose(score.relevance(Z).sum(-1), [[4]])


def test_each_sample_has_its_own_score():
    rng = np.random.default_rng(0)
    vectors, codes = rng.normal(size=(6, 3)), np.repeat(np.arange(3), 2)
    Z = torch.tensor(rng.normal(size=(5, 3)))
    labels, rivals = np.array([0, 1, 2, 0, 1]), np.array([1, 2, 0, 2, 0])
    ids = rng.integers(6, size=(5, 2))
    for kind, rule in [
        ("similarity", "prp"), ("class", "prp"), ("margin", "prp"),
        ("class", "neuralized"), ("margin", "neuralized"),
    ]:  # fmt: skip
        score = make_score(
            target(kind, rule, labels, rivals, ids), known(vectors, codes), Z
        )
        for name in ("values", "relevance"):
            whole = getattr(score, name)(Z)
            part = getattr(score.take(slice(1, 4)), name)(Z[1:4])
            assert_allclose(part, whole[1:4])


def linear(Z, vectors, codes, kind="similarity", **how):
    """Score, its relevance by the linear rule, and what that leaves as a constant."""
    Z = torch.tensor([Z], dtype=torch.float64)
    score = make_score(
        target(kind, "linear", [0], [1]), known(vectors, codes, **how), Z
    )
    value, found = score.values(Z).item(), score.relevance(Z).numpy()[0, 0]
    return value, found, value - found.sum()


def test_the_linear_rule_explains_what_is_above_the_mean_of_the_classes():
    # The classes have the means (1, 0) and (3, 2), whose mean is (2, 1).
    vectors, codes = [[1.0, 0.0], [2.0, 2.0], [4.0, 2.0]], [0, 1, 1]
    value, found, constant = linear([2.0, 3.0], vectors, codes, similarity="gaussian")
    assert_allclose(value, -5)
    assert_allclose(found, [-2, -3])
    assert_allclose(
        constant, 0, atol=1e-12
    )  # -(2 ** 2) / 2 + (2 ** 2 + 1 ** 2 - 1 ** 2) / 2


def test_the_linear_rule_of_the_log_similarity_is_a_secant():
    vectors, codes = [[1.0, 0.0], [3.0, 2.0]], [0, 1]
    value, found, _ = linear([2.0, 3.0], vectors, codes)
    epsilon = known(vectors, codes).epsilon
    of_mean = np.log1p((1 - epsilon) / (2 + epsilon))
    assert_allclose(found, [-2 * (value - of_mean) / -3, -3 * (value - of_mean) / -3])
    # The slope of the log similarity, where prototype and mean are at one distance.
    _, found, _ = linear([2.0, 0.0], vectors, codes)
    assert_allclose(found, [-2 * (1 / (1 + epsilon) - 1 / 2), 0])


def test_the_linear_rule_of_a_class_is_that_of_its_prototypes():
    vectors, codes = [[1.0, 0.0], [2.0, 5.0], [3.0, 2.0]], [0, 0, 1]
    how = {"similarity": "gaussian", "aggregation": "sum", "temperature": 2.0}
    value, found, _ = linear([2.0, 3.0], vectors, codes, "class", **how)
    similar = np.array([-5, -2])
    weights = np.exp(similar / 2) / np.exp(similar / 2).sum()
    assert_allclose(value, 2 * np.log(np.exp(similar / 2).sum()))
    mean = np.array([2.25, 2.25])
    slope = weights @ (np.array(vectors[:2]) - mean)
    assert_allclose(found, slope * [2, 3])


def test_the_linear_margin_is_that_of_the_nearest_prototypes():
    vectors, codes = [[1.0, 0.0], [3.0, 2.0]], [0, 1]
    value, found, constant = linear([2.0, 3.0], vectors, codes, "margin")
    assert_allclose(value, 2 - 10)
    assert_allclose(found, [2 * -2 * 2, 2 * -2 * 3])
    assert_allclose(constant, 13 - 1)

"""How typical a sample is among the rows of its class."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator

from sklearn_kmex import KMExClassifier, RejectingClassifier, make_kmex
from sklearn_kmex._draw.table import how_typical
from sklearn_kmex.explain import Explanation, explain


@pytest.fixture(scope="module")
def psem(digits):
    X, _, y, _ = digits
    return KMExClassifier(3, random_state=0).fit(X, y)


@pytest.mark.parametrize("labelled", [True, False])
def test_it_is_the_share_of_less_similar_rows_of_the_class(psem, digits, labelled):
    X, X_test, y, _ = digits
    found = explain(psem, X_test, X_train=X, y_train=y if labelled else None)
    labels = y if labelled else psem.predict(X)
    of_rows = np.where(
        labels[:, None] == psem.prototype_classes_, psem.transform(X), -np.inf
    ).max(axis=1)
    expected = [
        np.mean(of_rows[labels == label] < similarity)
        for label, similarity in zip(
            found.predictions, found.predicted_similarity, strict=True
        )
    ]
    assert_allclose(found.typicality, expected, atol=1 / 100)
    assert np.mean(abs(found.typicality - expected) < 1e-12) > 0.95
    assert found.typicality_among == "training rows"
    assert found.typicality.dtype == np.float64


def test_noise_is_unlike_all_rows_and_prototypes_are_like_most(psem, digits):
    X, _, y, _ = digits
    noise = np.random.default_rng(0).integers(17, size=(5, 64))
    assert (explain(psem, noise, X_train=X, y_train=y).typicality == 0).all()
    own = explain(psem, psem.prototypes_, X_train=X, y_train=y)
    assert (own.typicality == 1).all()


def test_equal_rows_are_not_less_similar():
    X = np.repeat([[0.0], [3.0], [10.0]], [5, 5, 10], axis=0)
    y = np.repeat([0, 1], 10)
    psem = KMExClassifier(1, random_state=0).fit(X, y)
    found = explain(psem, [[0.0], [1.0], [10.0]], X_train=X, y_train=y)
    assert_array_equal(found.typicality, [0, 1, 0])


def test_there_is_none_without_rows_to_compare_with(psem, digits):
    X, X_test, y, _ = digits
    for given in ({}, {"X_train": X, "y_train": y, "n_members": 0}):
        found = explain(psem, X_test[:4], **given)
        assert np.isnan(found.typicality).all()
        assert found.typicality.shape == (4,)
        assert found.typicality_among is None
    others = explain(psem, X[y == 0][:3], X_train=X, y_train=np.ones(len(X), dtype=int))
    assert np.isnan(others.typicality).all()


def test_trees_have_seen_the_training_rows(digits):
    """They would make any new row look strange: only held-out rows are a reference."""
    X, X_test, y, y_test = digits
    forest = RandomForestClassifier(20, random_state=0).fit(X, y)
    psem = make_kmex(forest, n_prototypes=2, random_state=0).fit(X, y)
    found = explain(psem, X_test, X_train=X, y_train=y)
    assert np.isnan(found.typicality).all()
    assert found.typicality_among is None
    held_out, known = X_test[::2], y_test[::2]
    careful = RejectingClassifier(FrozenEstimator(psem)).fit(held_out, known)
    found = explain(careful, X_test[1::2], X_train=X, y_train=y)
    assert found.typicality_among == "held-out rows"
    assert_array_equal(found.typicality, careful.typicality(X_test[1::2]))
    assert abs(np.mean(found.typicality < 0.2) - 0.2) < 0.08


@pytest.mark.parametrize("other", [{"method": "probability"}, {"per_class": False}])
def test_rejection_by_other_rows_is_no_typicality(psem, digits, other):
    X, X_test, y, _ = digits
    careful = RejectingClassifier(FrozenEstimator(psem), **other).fit(X, y)
    found = explain(careful, X_test[:2], X_train=X, y_train=y)
    assert found.typicality_among == "training rows"
    assert np.isnan(explain(careful, X_test[:2]).typicality).all()


def test_it_is_kept_in_slices_json_and_frames(psem, digits):
    X, X_test, y, _ = digits
    found = explain(psem, X_test[:6], X_train=X, y_train=y)
    again = Explanation.from_json(found[2:4].to_json())
    assert_array_equal(again.typicality, found.typicality[2:4])
    assert again.typicality_among == "training rows"
    pytest.importorskip("pandas")
    frame = found.frame()
    of_samples = frame.groupby("sample").typicality.first()
    assert_array_equal(of_samples, found.typicality)
    assert "typicality" not in explain(psem, X_test[:2]).frame()


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0.0, "0"),
        (0.002, "below 1"),
        (0.316, "32"),
        (0.997, "above 99"),
        (1.0, "100"),
    ],
)
def test_it_is_said_in_words(share, shown):
    words = how_typical(share, "training rows")
    assert words == (
        f"more similar than {shown}\N{NO-BREAK SPACE}% of training rows of this class"
    )
    assert how_typical(share, None) == how_typical(np.nan, "training rows") == ""


def test_tables_say_it(psem, digits):
    X, X_test, y, _ = digits
    found = explain(psem, X_test[:1], X_train=X, y_train=y)
    words = how_typical(found.typicality[0], "training rows")
    assert words in found.to_html()
    assert words in found.to_markdown()
    assert "more similar than" not in explain(psem, X_test[:1]).to_html()

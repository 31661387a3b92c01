"""ScoreEmbedder: what a classifier says of the classes is the embedding."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.special import softmax
from sklearn.datasets import load_iris
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from sklearn_kmex import make_kmex
from sklearn_kmex.embedding import ScoreEmbedder
from sklearn_kmex.embedding._head import EmbeddingHead
from sklearn_kmex.explain import contrast
from sklearn_kmex.metrics import fidelity_scorer

CLASSIFIERS = [
    LogisticRegression(max_iter=1000),
    SVC(),
    SVC(decision_function_shape="ovo"),
    LinearSVC(),
    RidgeClassifier(),
    GaussianNB(),
    KNeighborsClassifier(),
    QuadraticDiscriminantAnalysis(reg_param=0.1),
]


@pytest.mark.parametrize("classifier", CLASSIFIERS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("n_classes", [2, 10])
def test_the_model_decides_as_the_classifier(digits, classifier, n_classes):
    X, X_test, y, y_test = digits
    X, y = X[y < n_classes], y[y < n_classes]
    X_test, y_test = X_test[y_test < n_classes], y_test[y_test < n_classes]
    model = make_pipeline(StandardScaler(), classifier).fit(X, y)
    psem = make_kmex(model, n_prototypes=5, random_state=0).fit(X, y)
    assert psem.score(X_test, y_test) > model.score(X_test, y_test) - 0.05
    assert fidelity_scorer(psem, X_test) > 0.9


def test_columns_are_scores_of_the_classes():
    X, y = load_iris(return_X_y=True)
    svc, bayes = SVC().fit(X, y), GaussianNB().fit(X, y)
    Z = ScoreEmbedder(svc).transform(X)
    assert_allclose(Z, softmax(svc.decision_function(X), axis=1))
    assert_allclose(ScoreEmbedder(bayes).transform(X), bayes.predict_proba(X))
    two = y < 2
    svc, bayes = svc.fit(X[two], y[two]), bayes.fit(X[two], y[two])
    Z = ScoreEmbedder(svc).transform(X)
    assert_allclose(Z[:, 0], svc.decision_function(X))
    odds = ScoreEmbedder(bayes).transform(X)[:, 0]
    assert_allclose(np.abs(odds).max(), np.log(99))
    assert ((odds > 0) == (bayes.predict(X) == 1)).all()


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    "classifier", [LogisticRegression(max_iter=1000), GaussianNB(), SVC()]
)
def test_probabilities_of_the_classifier_are_targets_where_known(classifier, n_classes):
    X, y = load_iris(return_X_y=True)
    X, y = X[y < n_classes], y[y < n_classes]
    embedder = ScoreEmbedder(classifier.fit(X, y))
    found = EmbeddingHead(embedder).predict_proba(embedder.transform(X))
    if isinstance(classifier, SVC):
        assert found is None
    else:
        assert_allclose(found, classifier.predict_proba(X), atol=0.0101)


LINEAR = [
    LogisticRegression(max_iter=1000),
    RidgeClassifier(),
    LinearSVC(),
    LogisticRegression(fit_intercept=False, C=1e3, max_iter=10_000),
]


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("classifier", LINEAR)
def test_reasons_of_a_linear_classifier_are_in_the_columns_of_the_table(
    classifier, n_classes
):
    X, y = load_iris(return_X_y=True, as_frame=True)
    X, y = X[y < n_classes], y[y < n_classes]
    X = X.assign(constant=1.0)
    model = make_pipeline(StandardScaler(), classifier).fit(X, y)
    psem = make_kmex(model, n_prototypes=1, random_state=0).fit(X, y)
    found = contrast(psem, X)
    assert list(found.feature_names) == list(X.columns)
    assert (found.space, found.method) == ("input", "integrated_gradients")
    total = found.contributions.sum(axis=1) + found.base
    assert_allclose(total, found.margin, atol=1e-9 * np.abs(found.margin).max())
    assert (found.contributions[:, -1] == 0).all()
    shares = found.contributions / np.abs(found.contributions).sum(1, keepdims=True)
    assert np.ptp(shares, axis=0).max() > 0.1  # each row has its own reasons


def test_contributions_to_a_linear_classifier_are_weights_times_differences():
    X, y = load_iris(return_X_y=True)
    X, y = X[y < 2], y[y < 2]
    linear = LogisticRegression().fit(X, y)
    psem = make_kmex(linear, n_prototypes=1, metric="euclidean").fit(X, y)
    mean = psem["embed"].reference_ = X.mean(axis=0, keepdims=True)
    found = contrast(psem, X)
    prototypes = psem["kmex"].prototypes_
    slope = 2 * (prototypes[found.prototypes] - prototypes[found.against_prototypes])
    assert_allclose(found.contributions, slope * linear.coef_ * (X - mean))
    by_epsilon = contrast(psem, X, method="epsilon")
    assert_allclose(by_epsilon.contributions, slope * linear.coef_ * X, rtol=1e-4)


def test_columns_have_the_names_of_the_classes():
    X, y = load_iris(return_X_y=True)
    labels = np.array(["blue", "green", "red"])[y]
    of_two = _contrast_of(SVC(), X[y < 2], labels[y < 2])
    assert of_two.feature_names.tolist() == ["score of green"]
    of_three = _contrast_of(SVC(), X, labels)
    assert of_three.feature_names.tolist() == [
        "score of blue",
        "score of green",
        "score of red",
    ]
    rows = np.vstack([X, X[:50] + 5])
    labels = np.append(labels, ["tan"] * 50)
    pairs = SVC(decision_function_shape="ovo", kernel="linear")
    found = _contrast_of(pairs, rows, labels)
    assert found.space == "embed"
    assert found.feature_names.tolist() == [f"scoreembedder{k}" for k in range(6)]


def _contrast_of(classifier, X, y):
    psem = make_kmex(classifier.fit(X, y), n_prototypes=1, random_state=0).fit(X, y)
    return contrast(psem, X[:1])


def test_sparse_rows_and_lists_reach_the_classifier():
    texts, y = ["good", "nice film", "bad", "awful film"] * 5, [1, 1, 0, 0] * 5
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, y)
    psem = make_kmex(model, n_prototypes=1, random_state=0).fit(texts, y)
    assert psem.score(texts, y) == fidelity_scorer(psem, texts) == 1
    rows = sparse.csr_matrix(np.eye(4))
    plain = LogisticRegression().fit(rows, [0, 0, 1, 1])
    embedder = ScoreEmbedder(plain).fit(rows)
    assert_allclose(embedder.transform(rows), embedder.transform(rows.toarray()))
    assert ScoreEmbedder(plain).transform(np.eye(4).tolist()).shape == (4, 1)
    with pytest.raises(ValueError, match="expecting 4 features"):
        embedder.transform(np.eye(3))

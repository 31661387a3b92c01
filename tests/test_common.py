"""scikit-learn's own checks, and those that `check_estimator` leaves out."""

import importlib.util

import numpy as np
import pytest
from discovery import public_estimators
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_kmex import KMExClassifier, KMExClassifierCV, RejectingClassifier
from sklearn_kmex.embedding import (
    CachedEmbedder,
    MLPEmbedder,
    ScoreEmbedder,
    SkorchEmbedder,
    TextEmbedder,
    TorchEmbedder,
    TreeEmbedder,
)

pytestmark = [
    # The checks' data have fewer rows in a class than the default asks prototypes of.
    pytest.mark.filterwarnings("ignore::sklearn_kmex.exceptions.KMExWarning"),
    # The checks fit on arrays and transform frames, and the other way round.
    pytest.mark.filterwarnings("ignore:X .*feature names"),
    # Nor has every class a row for each of five folds.
    pytest.mark.filterwarnings("ignore:The least populated class"),
    # A check without the package or setting that it needs skips itself by a warning.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning"),
]

LEFT_OUT = [
    "check_param_validation",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_global_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_global_set_output_transform_polars",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_get_feature_names_out_error",
    "check_dataframe_column_names_consistency",
    "check_inplace_ensure_writeable",
]


def instances():
    """Every public estimator, the classifier in each of its ways to decide.

    Those that fit many times for one answer have few folds and starts here.
    """
    classifiers = [
        KMExClassifier(),
        KMExClassifier(1, similarity="gaussian", aggregation="sum"),
        KMExClassifier(2, prototype="medoid", temperature=0.5, max_samples=0.5),
        KMExClassifier(2, clusterer=KMeans(n_init=2, random_state=0)),
        KMExClassifier(3, priors="class", merge_threshold=0.5),
        KMExClassifier(0.3, aggregation="sum", priors="class"),
        KMExClassifier(2, metric="cosine", priors="prototype"),
        KMExClassifier(2, metric="mahalanobis", similarity="gaussian", priors="class"),
        KMExClassifier(
            2, metric="cosine_mahalanobis", aggregation="sum", priors="prototype"
        ),
        KMExClassifierCV([1, 3], cv=2, n_init=1, metric="euclidean"),
        KMExClassifierCV([0.1, 0.3], priors="class", per_class=True, cv=2, n_init=1),
        RejectingClassifier(KMExClassifier(1, n_init=1, random_state=0), cv=2),
        RejectingClassifier(LogisticRegression(), method="probability", cv=3),
    ]
    cached = CachedEmbedder(MLPEmbedder(AnyWidthMLP()), "cache")
    tables = [
        MLPEmbedder(AnyWidthMLP()),
        ScoreEmbedder(AnyWidthScores()),
        TreeEmbedder(AnyWidthForest()),
        cached,
    ]
    if importlib.util.find_spec("torch") is None:
        return [*classifiers, *tables]
    return [*classifiers, *tables, *torch_embedders()]


def widen(X, width):
    """Repeat or leave out columns: the checks have rows of many widths."""
    return X[:, np.arange(width) % X.shape[1]]


class AnyWidthWeights:
    """First weights of a network that takes rows of any width."""

    __array_ufunc__ = None

    def __rmatmul__(self, X):
        return np.tanh(widen(X, 6))


class AnyWidthMLP(BaseEstimator):
    """A fitted network with one hidden layer."""

    activation = "relu"

    def fit(self, X, y=None):
        return self

    def predict(self, X):
        return X[:, 0]

    def __sklearn_is_fitted__(self):
        return True

    coefs_ = (AnyWidthWeights(), np.ones((6, 2)))
    intercepts_ = (np.zeros(6, dtype=np.float32), np.zeros(2))


class AnyWidthScores(BaseEstimator):
    """A classifier of two classes that takes rows of any width."""

    classes_ = np.arange(2)

    def fit(self, X, y=None):
        return self

    def predict(self, X):
        return (self.decision_function(X) > 0).astype(int)

    def decision_function(self, X):
        return np.asarray(X).astype(np.float64)[:, 0]

    def __sklearn_is_fitted__(self):
        return True


class AnyWidthForest(BaseEstimator):
    """A forest that was fitted to four columns, and takes rows of any width."""

    forest = RandomForestClassifier(5, random_state=0).fit(
        np.random.RandomState(0).normal(size=(60, 4)), np.arange(60) % 2
    )
    estimators_ = forest.estimators_

    def fit(self, X, y=None):
        return self

    def predict(self, X):
        return self.forest.predict(widen(X, 4))

    def apply(self, X):
        return self.forest.apply(widen(X, 4))

    def __sklearn_is_fitted__(self):
        return True


def torch_embedders():
    """Embedders of a model without weights, which takes rows of any width."""
    from skorch import NeuralNetClassifier
    from torch_modules import NoOptimizer, RowWise

    net = NeuralNetClassifier(
        RowWise(), optimizer=NoOptimizer, max_epochs=0, verbose=0
    ).initialize()
    return [TorchEmbedder(RowWise(), "body"), SkorchEmbedder(net, "body")]


INSTANCES = instances()
# It fits a hundred times for one answer.
AUTO = dict.fromkeys(["metric", "similarity", "aggregation", "priors"], "auto")
SEARCHING = [KMExClassifier("auto", n_init=1, **AUTO)]
SLOW = [pytest.param(estimator, marks=pytest.mark.slow) for estimator in SEARCHING]


@pytest.fixture(autouse=True)
def folder_of_its_own(tmp_path, monkeypatch):
    """Where a test keeps the cache, which is named without a folder."""
    monkeypatch.chdir(tmp_path)


def test_every_public_estimator_is_checked():
    expected = set(public_estimators()) - {TextEmbedder}  # no check has texts
    if importlib.util.find_spec("torch") is None:
        expected -= {TorchEmbedder, SkorchEmbedder}
    assert {type(estimator) for estimator in INSTANCES} == expected


def by_place(estimator, check):
    """Whether a check shuffles rows that k-means starts from by their place."""
    equivalence = "sample_weight_equivalence" in check.func.__name__
    searches = hasattr(estimator, "candidates")  # or "auto", which is not 1
    return equivalence and (searches or getattr(estimator, "n_prototypes", 1) != 1)


def run(check, estimator):
    """Run a check of scikit-learn, but for one that its own KMeans fails."""
    if by_place(estimator, check):
        pytest.skip("scikit-learn's KMeans is expected to fail it, too")
    check(estimator)


@parametrize_with_checks(INSTANCES)
def test_scikit_learn_checks(estimator, check):
    run(check, estimator)


@pytest.mark.slow
@parametrize_with_checks(SEARCHING)
def test_scikit_learn_checks_of_searching_estimators(estimator, check):
    run(check, estimator)


@pytest.mark.parametrize("name", LEFT_OUT)
@pytest.mark.parametrize("estimator", [*INSTANCES, *SLOW], ids=repr)
def test_checks_that_check_estimator_leaves_out(estimator, name):
    of_transformers = "output" in name or "get_feature_names_out" in name
    if of_transformers and not hasattr(estimator, "transform"):
        pytest.skip("it is no transformer")
    check = getattr(estimator_checks, name)
    check(type(estimator).__name__, estimator)


@pytest.mark.parametrize("estimator", [*INSTANCES, *SEARCHING], ids=repr)
def test_a_failed_fit_leaves_no_trace(estimator):
    with pytest.raises(ValueError, match="infinity"):
        estimator.fit(np.array([[1.0], [np.inf]] * 6), [0, 1] * 6)
    assert not [name for name in vars(estimator) if name.endswith("_")]

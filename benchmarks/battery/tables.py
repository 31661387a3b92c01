"""Kinds of models for tables: those of scikit-learn, wrappers, and transformers."""

from functools import partial

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.linear_model import (
    LogisticRegression,
    LogisticRegressionCV,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from sklearn.neighbors import (
    KNeighborsClassifier,
    NearestCentroid,
    NeighborhoodComponentsAnalysis,
)
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    PolynomialFeatures,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
)
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from battery.cases import (
    before,
    case,
    category_rows,
    mixed_rows,
    number_rows,
    piped,
    plain,
)

FOREST = partial(RandomForestClassifier, 10, max_depth=5, random_state=0)
MLP = partial(MLPClassifier, (8,), solver="lbfgs", max_iter=200, random_state=0)
MODELS = {
    "LogisticRegression": LogisticRegression,
    "LogisticRegressionCV": partial(
        LogisticRegressionCV,
        Cs=2,
        cv=2,
        l1_ratios=(0,),
        use_legacy_attributes=False,
        scoring="neg_log_loss",
    ),
    "RidgeClassifier": RidgeClassifier,
    "SGDClassifier": partial(SGDClassifier, random_state=0),
    "LinearSVC": LinearSVC,
    "SVC": SVC,
    "KNeighborsClassifier": KNeighborsClassifier,
    "NearestCentroid": NearestCentroid,
    "GaussianNB": GaussianNB,
    "BernoulliNB": BernoulliNB,
    "LinearDiscriminantAnalysis": LinearDiscriminantAnalysis,
    "QuadraticDiscriminantAnalysis": partial(
        QuadraticDiscriminantAnalysis, reg_param=0.5
    ),
    "GaussianProcessClassifier": partial(GaussianProcessClassifier, random_state=0),
    "DecisionTreeClassifier": partial(DecisionTreeClassifier, max_depth=5),
    "RandomForestClassifier": FOREST,
    "ExtraTreesClassifier": partial(ExtraTreesClassifier, 10, random_state=0),
    "GradientBoostingClassifier": partial(
        GradientBoostingClassifier, n_estimators=10, random_state=0
    ),
    "HistGradientBoostingClassifier": partial(
        HistGradientBoostingClassifier, max_iter=10, random_state=0
    ),
    "AdaBoostClassifier": partial(AdaBoostClassifier, n_estimators=10, random_state=0),
    "BaggingClassifier": partial(BaggingClassifier, random_state=0),
    "VotingClassifier": lambda: VotingClassifier(
        [("forest", FOREST()), ("linear", LogisticRegression())], voting="soft"
    ),
    "StackingClassifier": lambda: StackingClassifier(
        [("forest", FOREST()), ("linear", LogisticRegression())], cv=2
    ),
    "MLPClassifier": MLP,
    "DummyClassifier": DummyClassifier,
}
GRID = {"randomforestclassifier__max_depth": [3, 5]}
WRAPPERS = {
    "GridSearchCV": lambda model: GridSearchCV(model, GRID, cv=2),
    "RandomizedSearchCV": lambda model: RandomizedSearchCV(
        model, GRID, n_iter=1, cv=2, random_state=0
    ),
    "HalvingGridSearchCV": lambda model: HalvingGridSearchCV(
        model, GRID, cv=2, min_resources=40, random_state=0
    ),
    "FrozenEstimator": lambda model: FrozenEstimator(model.fit(*first(mixed_rows()))),
    "TunedThresholdClassifierCV": lambda model: TunedThresholdClassifierCV(model, cv=2),
    "CalibratedClassifierCV": lambda model: CalibratedClassifierCV(model, cv=2),
    "CalibratedClassifierCV, one": lambda model: CalibratedClassifierCV(
        model, cv=2, ensemble=False
    ),
    "OneVsRestClassifier": OneVsRestClassifier,
}
TRANSFORMERS = {
    "PCA": partial(PCA, 3),
    "TruncatedSVD": partial(TruncatedSVD, 3, random_state=0),
    "Nystroem": partial(Nystroem, n_components=20, random_state=0),
    "RBFSampler": partial(RBFSampler, n_components=20, random_state=0),
    "KMeans": partial(KMeans, 4, n_init=1, random_state=0),
    "NeighborhoodComponentsAnalysis": partial(
        NeighborhoodComponentsAnalysis, random_state=0
    ),
    "SplineTransformer": SplineTransformer,
    "PolynomialFeatures": PolynomialFeatures,
    "QuantileTransformer": partial(QuantileTransformer, n_quantiles=20),
    "FeatureUnion": lambda: FeatureUnion(
        [("pca", PCA(2)), ("scaled", StandardScaler())]
    ),
}


def first(rows):
    return rows[0][:180], rows[1][:180]


def two_column_logarithms(X):
    """Embed rows by a function that can be imported."""
    return np.log1p(np.abs(np.asarray(X, dtype=float)[:, :2]))


def halves(X):
    """Embed rows of numbers by half of each."""
    return np.asarray(X, dtype=float) / 2


def _by_categories():
    model = HistGradientBoostingClassifier(
        max_iter=10, categorical_features="from_dtype", random_state=0
    )
    return case(model, category_rows())


def _regressor(model):
    return case(make_pipeline(before(), model), mixed_rows(), has_labels=False)


KINDS = {
    **{
        f"{name}, array": partial(lambda make: plain(make()), make)
        for name, make in MODELS.items()
    },
    **{
        f"{name}, table": partial(lambda make: piped(make()), make)
        for name, make in MODELS.items()
    },
    "HistGradientBoostingClassifier, categories": _by_categories,
    "RandomForestRegressor, table": lambda: _regressor(
        RandomForestRegressor(10, max_depth=5, random_state=0)
    ),
    "MLPRegressor, table": lambda: _regressor(
        MLPRegressor(
            hidden_layer_sizes=(8,), solver="lbfgs", max_iter=200, random_state=0
        )
    ),
    **{
        f"{name} of a forest, table": partial(
            lambda wrap: case(wrap(make_pipeline(before(), FOREST())), mixed_rows()),
            wrap,
        )
        for name, wrap in WRAPPERS.items()
    },
    **{
        f"{name}, array": partial(lambda make: plain(make()), make)
        for name, make in TRANSFORMERS.items()
    },
    "PCA, table": lambda: piped(PCA(3)),
    "function that can be imported": lambda: case(
        two_column_logarithms, number_rows(), fit=False
    ),
    "lambda": lambda: case(lambda X: X[:, :2], number_rows(), fit=False),
}

"""The types that `load_psem` builds from any file, all of whose state is checked.

skops trusts the types of scikit-learn by their names. Compiled code of some of them
believes what is in fitted attributes, so that a forged file could crash the process or
change its memory. What is allowed here is code in Python and NumPy, which raises errors
by itself, or has a check in `_state.py`. Other types have to be named in `trusted`.
"""

import re
from collections.abc import Callable, Sequence
from itertools import starmap

import numpy as np
from sklearn import (
    cluster,
    compose,
    decomposition,
    discriminant_analysis,
    ensemble,
    feature_extraction,
    feature_selection,
    frozen,
    impute,
    kernel_approximation,
    linear_model,
    model_selection,
    neural_network,
    pipeline,
    preprocessing,
    random_projection,
    tree,
)

OWN = (
    "sklearn_kmex._classifier.KMExClassifier",
    "sklearn_kmex._classifier_cv.KMExClassifierCV",
    "sklearn_kmex._rejecting.RejectingClassifier",
    "sklearn_kmex.embedding._function.FunctionEmbedder",
    "sklearn_kmex.embedding._head.EmbeddingHead",
    "sklearn_kmex.embedding._mlp.MLPEmbedder",
    "sklearn_kmex.embedding._pipeline.EmbeddingPipeline",
    "sklearn_kmex.embedding._score.ScoreEmbedder",
    "sklearn_kmex.embedding._text.TextEmbedder",
    "sklearn_kmex.embedding._torch.TorchEmbedder",
    "sklearn_kmex.embedding._tree.TreeEmbedder",
)
OPTIMIZERS = (
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
)
# Estimators and splitters of scikit-learn, by the public package that has them.
OF_SKLEARN = {
    preprocessing: "Binarizer FunctionTransformer KBinsDiscretizer LabelBinarizer "
    "LabelEncoder MaxAbsScaler MinMaxScaler Normalizer OneHotEncoder OrdinalEncoder "
    "PolynomialFeatures PowerTransformer QuantileTransformer RobustScaler "
    "StandardScaler TargetEncoder",
    impute: "MissingIndicator SimpleImputer",
    decomposition: "FastICA IncrementalPCA PCA TruncatedSVD",
    discriminant_analysis: "LinearDiscriminantAnalysis",
    random_projection: "GaussianRandomProjection",
    kernel_approximation: "Nystroem RBFSampler",
    frozen: "FrozenEstimator",
    feature_selection: "SelectKBest SelectPercentile VarianceThreshold",
    feature_extraction: "DictVectorizer",
    feature_extraction.text: "CountVectorizer HashingVectorizer TfidfTransformer "
    "TfidfVectorizer",
    compose: "ColumnTransformer make_column_selector",
    pipeline: "FeatureUnion Pipeline",
    neural_network: "MLPClassifier MLPRegressor",
    linear_model: "LogisticRegression",
    ensemble: "ExtraTreesClassifier ExtraTreesRegressor RandomForestClassifier "
    "RandomForestRegressor RandomTreesEmbedding",
    tree: "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier "
    "ExtraTreeRegressor",
    cluster: "KMeans MiniBatchKMeans",
    model_selection: "GroupKFold KFold ShuffleSplit StratifiedGroupKFold "
    "StratifiedKFold StratifiedShuffleSplit",
}
# What a word in `trusted` stands for, the models of a library first.
LOSSES = (
    "AbsoluteError ExponentialLoss HalfBinomialLoss HalfGammaLoss HalfMultinomialLoss "
    "HalfPoissonLoss HalfSquaredError HuberLoss PinballLoss"
)
LINKS = "HalfLogitLink IdentityLink Interval LogLink LogitLink MultinomialLogit"
BOOSTERS = "sklearn_kmex.persistence._boosters.Saved{}"
HISTOGRAM = "sklearn.ensemble._hist_gradient_boosting."
PRESETS: dict[str, set[str]] = {
    "catboost": {BOOSTERS.format("CatBoost")},
    "lightgbm": {
        BOOSTERS.format("LightGBM"),
        *(f"lightgbm.sklearn.LGBM{kind}" for kind in ("Classifier", "Regressor")),
        *("lightgbm.sklearn.LGBMRanker", "lightgbm.basic.Booster"),  # of earlier files
        *("collections.OrderedDict", "collections.defaultdict"),
    },
    "sklearn_boosting": {
        *(f"sklearn._loss._loss.Cy{loss}" for loss in LOSSES.split()),
        *(f"sklearn._loss.loss.{loss}" for loss in LOSSES.split()),
        *(f"sklearn._loss.link.{link}" for link in LINKS.split()),
        f"{HISTOGRAM}binning._BinMapper",
        f"{HISTOGRAM}gradient_boosting.HistGradientBoostingClassifier",
        f"{HISTOGRAM}gradient_boosting.HistGradientBoostingRegressor",
        f"{HISTOGRAM}predictor.TreePredictor",
        "functools.partial",
        "numpy.random._generator.Generator",
        "sklearn.dummy.DummyClassifier",
        "sklearn.dummy.DummyRegressor",
        "sklearn.ensemble._gb.GradientBoostingClassifier",
        "sklearn.ensemble._gb.GradientBoostingRegressor",
        "sklearn.utils.validation.check_array",
    },
    "xgboost": {BOOSTERS.format("XGBoost")},
}
SCORES = "chi2 f_classif f_regression mutual_info_classif mutual_info_regression"
SPECIAL = {"cbrt", "erf", "erfc", "exp10", "exp2", "expit", "expm1", "log1p", "logit"}
UFUNCS = re.compile(
    r"(numpy(?:\._?core)?(?:\._multiarray_umath|\.umath)?|scipy\.special(?:\._ufuncs)?)"
    r"\.(\w+)"
)


def _named(package: object, names: str) -> set[str]:
    found = [getattr(package, name) for name in names.split()]
    return {f"{one.__module__}.{one.__name__}" for one in found}


OBJECTS = {*OWN, *OPTIMIZERS}.union(*starmap(_named, OF_SKLEARN.items()))
FUNCTIONS = _named(feature_selection, SCORES)
BUILTINS = {"builtins.bool", "builtins.float", "builtins.int", "builtins.str"}


def _is_scalar(name: str) -> bool:
    """Whether a type is one of NumPy's for a number, a truth value or text."""
    package, _, kind = name.partition(".")
    found = getattr(np, kind, None) if package == "numpy" else None
    known = isinstance(found, type) and issubclass(found, np.generic)
    return known and found is not np.void and found is not np.record


def _is_function(name: str) -> bool:
    """Whether a function computes with single values, or is a score of features."""
    match = UFUNCS.fullmatch(name)
    if match is None:
        return name in FUNCTIONS
    package, function = match.groups()
    if package.startswith("scipy"):
        return function in SPECIAL
    return isinstance(getattr(np, function, None), np.ufunc)


# Which types each loader of skops may build.
LOADERS: dict[str, Callable[[str], bool]] = {
    "DictNode": {"builtins.dict", "collections.OrderedDict"}.__contains__,
    "DTypeNode": "numpy.dtype".__eq__,
    "FunctionNode": _is_function,
    "JsonNode": "builtins.str".__eq__,
    "ListNode": "builtins.list".__eq__,
    "NdArrayNode": lambda name: name == "numpy.ndarray" or _is_scalar(name),
    "ObjectNode": OBJECTS.__contains__,
    "RandomStateNode": "numpy.random.mtrand.RandomState".__eq__,
    "SetNode": "builtins.set".__eq__,
    "SliceNode": "builtins.slice".__eq__,
    "TreeNode": "sklearn.tree._tree.Tree".__eq__,
    "TupleNode": "builtins.tuple".__eq__,
    "TypeNode": lambda name: name in BUILTINS or _is_scalar(name),
}


def trusted_types(trusted: str | Sequence[str]) -> list[str]:
    """Return the names of types, with those that a word stands for in its place."""
    names = [trusted] if isinstance(trusted, str) else trusted
    return [one for name in names for one in sorted(PRESETS.get(name, {name}))]


def in_words(unknown: set[str]) -> list[str]:
    """Name types as they are named in `trusted`: by a word where there is one."""
    words = {
        word: names
        for word, names in PRESETS.items()
        if any("Boosting" in name or "Saved" in name for name in names & unknown)
    }
    return sorted(words) + sorted(unknown.difference(*words.values()))


def is_allowed(loader: str, name: str) -> bool:
    """Whether a loader of skops may build a type without being told to."""
    return loader in LOADERS and LOADERS[loader](name)

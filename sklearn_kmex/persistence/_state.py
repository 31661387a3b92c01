"""Checks of the parameters and fitted attributes of all loaded objects."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomTreesEmbedding,
)
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    TargetEncoder,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_kmex._compat import one_hot_codes, validate_parameter_constraints
from sklearn_kmex.embedding import MLPEmbedder, TorchEmbedder
from sklearn_kmex.persistence._allowed import OBJECTS
from sklearn_kmex.persistence._parts import objects_in
from sklearn_kmex.persistence._refusal import Refusal

MOST_JOBS = 128  # processes or threads that a file may ask for
MOST_FEATURES = 10**7
MOST_FACTORS = 64  # words in an n-gram, or columns in a product
# Fitted attributes with a value for each column, with columns, or with a row for each.
OF_COLUMNS = (
    *("center_", "data_max_", "data_min_", "data_range_", "feature_names_in_", "idf_"),
    *("lambdas_", "max_abs_", "mean_", "min_", "pvalues_", "scale_", "scores_"),
    *("statistics_", "var_", "variances_", "xbar_"),
)
WITH_COLUMNS = ("cluster_centers_", "coef_", "components_", "quantiles_", "whitening_")
WITH_ROWS = ("random_weights_", "scalings_")
# Their numbers of axes, and the axis of the columns.
SHAPES = {
    **dict.fromkeys(OF_COLUMNS, (1, 0)),
    **dict.fromkeys(WITH_COLUMNS, (2, 1)),
    **dict.fromkeys(WITH_ROWS, (2, 0)),
}
ENCODINGS = {"utf-8", "utf8", "ascii", "latin-1", "latin1", "iso-8859-1", "cp1252"}
ENCODINGS |= {"utf-16", "utf-32"}
# Words without alternatives or groups: one repeated character, so that a search takes
# linear time.
ATOM = r"(?:\\[wWdDsS]|\[[^\[\]\\]*(?:\\[wWdDsS][^\[\]\\]*)*\]|[\w '-])"
WORD = ATOM + r"+(?:[+*]|\{\d{1,2},?\d{0,3}\})?"
TOKENS = re.compile(rf"(?:\(\?u\))?(?:\\b{WORD}(?:\\b)?|{WORD}|\\w\+\\b)")
FEATURE_NAMES = re.compile(r"(?:[^{}]|\{(?:transformer|feature)_name\})*")


def check_states(model: Any, trusted: Sequence[str]) -> None:
    """Refuse a model with an object in a state that `fit` cannot leave.

    Objects of types that the user trusts are not checked.
    """
    for one in objects_in(model):
        kind = type(one)
        name = f"{kind.__module__}.{kind.__name__}"
        if name not in OBJECTS or name in trusted:
            continue
        wrong = list(_wrong_attributes(one))
        if wrong:
            raise Refusal(
                f"its {kind.__name__} has impossible {', '.join(wrong)}",
                f"Save the model with others, or name {name} in trusted if you know "
                "who wrote the file.",
            )


def _wrong_attributes(one: Any) -> Iterator[str]:
    """Yield names of attributes that no fit leaves."""
    state, kind = vars(one), type(one)
    parameters = kind._get_param_names() if isinstance(one, BaseEstimator) else ()
    yield from (
        repr(name)
        for name in state
        if not name.isidentifier() or (hasattr(kind, name) and name not in parameters)
    )
    yield from (
        name
        for name, value in state.items()
        if isinstance(value, np.random.RandomState) and not _can_draw(value)
    )
    if isinstance(one, BaseEstimator):
        yield from _wrong_parameters(one)
    yield from _wrong_shapes(state)
    for kinds, check in CHECKS:
        if isinstance(one, kinds):
            yield from (name for name, valid in check(one).items() if not valid)


def _can_draw(random_state: np.random.RandomState) -> bool:
    """Whether the position of a generator is inside its key."""
    state: Any = random_state.get_state(legacy=False)
    return 0 <= state["state"]["pos"] <= len(state["state"]["key"])


def _wrong_parameters(estimator: Any) -> Iterator[str]:
    """Validate the parameters as `fit` does; those of later versions may be absent."""
    constraints = getattr(estimator, "_parameter_constraints", {})
    for name in constraints.keys() & vars(estimator).keys() - {"model", "module"}:
        value = {name: vars(estimator)[name]}
        try:
            validate_parameter_constraints(constraints, value, "")
        except ValueError:
            yield name
    for name in ("n_jobs", "num_workers", "_n_threads"):
        jobs = vars(estimator).get(name)
        if jobs is not None and not _is_count(abs(jobs), 0, MOST_JOBS):
            yield f"{name}, which may be {MOST_JOBS} at most"


def _is_count(value: Any, least: int, most: float = np.inf) -> bool:
    return isinstance(value, Integral) and least <= int(value) <= most


def _wrong_shapes(state: dict[str, Any]) -> Iterator[str]:
    """Yield names of arrays that do not fit the number of columns."""
    n_features = state.get("n_features_in_")
    for name, (n_axes, axis) in SHAPES.items():
        values: Any = state.get(name)
        fits = isinstance(values, np.ndarray) and values.ndim == n_axes
        fits = fits and _is_count(n_features, 1) and values.shape[axis] == n_features
        if values is not None and not fits:
            yield name


def _check_encoder(encoder: Any) -> dict[str, bool]:
    if not hasattr(encoder, "categories_"):
        return {}
    valid = {
        "categories_": len(encoder.categories_) == encoder.n_features_in_
        and all(_are_categories(one) for one in encoder.categories_)
    }
    if isinstance(encoder, OneHotEncoder) and valid["categories_"]:
        valid["columns"] = _have_columns(encoder)
    if isinstance(encoder, TargetEncoder):
        several = encoder.target_type_ == "multiclass"
        n_targets = len(encoder.classes_) if several else 1
        n_columns = encoder.n_features_in_ * n_targets
        valid["encodings_"] = len(encoder.encodings_) == n_columns
    return valid


def _are_categories(categories: Any) -> bool:
    """Whether categories can be searched in; those that are no numbers are hashed."""
    if not isinstance(categories, np.ndarray) or categories.ndim != 1:
        return False
    if categories.dtype.kind in "OUS":
        return len(categories) > 0
    if categories.dtype.kind not in "biuf" or len(categories) == 0:
        return False
    known = categories[:-1] if np.isnan(categories[-1]) else categories
    return bool((known[:-1] < known[1:]).all())


def _have_columns(encoder: OneHotEncoder) -> bool:
    """Whether the codes of all features are inside the columns of these."""
    valid = []
    for n_categories, rare, codes, dropped, n_columns in one_hot_codes(encoder):
        n_codes = n_categories if rare is None else n_categories - len(rare) + 1
        valid += [
            rare is None or _are_codes(rare, n_categories, len(rare)),
            n_codes == n_categories
            if codes is None
            else _are_codes(codes, n_codes, n_categories),
            dropped is None or _is_count(dropped, 0, n_codes - 1),
            n_columns == n_codes - (dropped is not None),
        ]
    return all(valid)


def _are_codes(codes: NDArray, below: int, size: int) -> bool:
    known = isinstance(codes, np.ndarray) and codes.dtype.kind in "iu"
    inside = known and codes.shape == (size,) and size > 0
    return inside and codes.min() >= 0 and codes.max() < below


def _check_vocabulary(vectorizer: Any) -> dict[str, bool]:
    words = getattr(vectorizer, "vocabulary_", {})
    numbers = sorted(words.values())
    return {"vocabulary_": numbers == list(range(len(words)))}


def _check_text(vectorizer: Any) -> dict[str, bool]:
    """Refuse to read files, to call functions, and patterns that take long."""
    pattern, stop_words = vectorizer.token_pattern, vectorizer.stop_words
    return {
        "input": vectorizer.input == "content",
        "encoding": vectorizer.encoding.lower() in ENCODINGS,
        "token_pattern": pattern is None or TOKENS.fullmatch(pattern) is not None,
        "ngram_range": all(
            _is_count(n, 1, MOST_FACTORS) for n in vectorizer.ngram_range
        ),
        "stop_words": isinstance(stop_words, str | list | set | None),
        "analyzer": isinstance(vectorizer.analyzer, str),
        "preprocessor": vectorizer.preprocessor is None,
        "tokenizer": vectorizer.tokenizer is None,
    }


def _check_polynomial(features: Any) -> dict[str, bool]:
    """Compare with a fit to as many columns of zeros."""
    n_features = getattr(features, "n_features_in_", 1)
    degrees = np.ravel(features.degree).tolist()
    if not _is_count(n_features, 1, MOST_FEATURES) or max(degrees) > MOST_FACTORS:
        return {"degree or n_features_in_": False}
    again = PolynomialFeatures(**features.get_params())
    state, n_columns = (
        vars(again.fit(np.zeros((1, n_features)))),
        again.n_output_features_,
    )
    return {
        "n_output_features_": state.items() <= vars(features).items(),
        "degree": n_columns <= MOST_FEATURES,
    }


def _check_kmeans(kmeans: Any) -> dict[str, bool]:
    centers = getattr(kmeans, "cluster_centers_", None)
    if centers is None:
        return {}
    floats = centers.dtype in (np.float32, np.float64)
    return {"cluster_centers_": floats and centers.flags.c_contiguous}


def _check_one_tree(tree: Any) -> dict[str, bool]:
    if not hasattr(tree, "tree_"):
        return {}
    found = tree.tree_
    return {
        "tree_": type(found).__name__ == "Tree"
        and (found.n_features, found.n_outputs)
        == (tree.n_features_in_, tree.n_outputs_),
        "n_classes_": not hasattr(tree, "n_classes_")
        or np.atleast_1d(tree.n_classes_).tolist() == found.n_classes.tolist(),
    }


def _check_forest(forest: Any) -> dict[str, bool]:
    if not hasattr(forest, "estimators_"):
        return {}
    trees = forest.estimators_
    size = (forest.n_features_in_, forest.n_outputs_)
    valid = {
        "estimators_": isinstance(trees, list)
        and len(trees) > 0
        and all(isinstance(one, TREES) for one in trees)
        and all((one.n_features_in_, one.n_outputs_) == size for one in trees)
    }
    if valid["estimators_"] and hasattr(forest, "n_classes_"):
        counts = np.atleast_1d(forest.n_classes_).tolist()
        labels = [forest.classes_] if size[1] == 1 else forest.classes_
        of_trees = [np.atleast_1d(one.n_classes_).tolist() for one in trees]
        valid["n_classes_"] = all(
            one == counts for one in (*of_trees, [len(found) for found in labels])
        )
    return valid


def _check_mlp(mlp: Any) -> dict[str, bool]:
    """Compare the shapes of layers: each takes what the one before it returns."""
    if not hasattr(mlp, "coefs_"):
        return {}
    layers, biases = mlp.coefs_, mlp.intercepts_
    widths = [mlp.n_features_in_, *(one.shape[-1] for one in layers)]
    shapes = list(pairwise(widths))
    return {
        "coefs_": [one.shape for one in layers] == shapes,
        "intercepts_": [one.shape for one in biases] == [(n,) for n in widths[1:]],
        "n_layers_": mlp.n_layers_ == len(widths),
    }


def _check_mlp_embedder(embedder: MLPEmbedder) -> dict[str, bool]:
    n_hidden = len(embedder.mlp.coefs_) - 1
    return {"layer": -n_hidden <= embedder.layer < n_hidden}


def _check_torch_embedder(embedder: TorchEmbedder) -> dict[str, bool]:
    axes = embedder.input_shape or ()
    return {"input_shape": all(_is_count(axis, 1) for axis in axes)}


def _check_pipeline(pipeline: Any) -> dict[str, bool]:
    return {"memory": pipeline.memory is None}


def _check_union(union: Any) -> dict[str, bool]:
    named = getattr(union, "verbose_feature_names_out", True)
    valid = isinstance(named, bool) or FEATURE_NAMES.fullmatch(named) is not None
    return {"verbose_feature_names_out": valid}


TREES = (DecisionTreeClassifier, DecisionTreeRegressor)
FORESTS = (RandomForestClassifier, RandomForestRegressor, RandomTreesEmbedding)
CHECKS: tuple[tuple[Any, Callable[[Any], dict[str, bool]]], ...] = (
    (Pipeline, _check_pipeline),
    ((ColumnTransformer, FeatureUnion), _check_union),
    ((OneHotEncoder, OrdinalEncoder, TargetEncoder), _check_encoder),
    (PolynomialFeatures, _check_polynomial),
    ((CountVectorizer, HashingVectorizer), _check_text),
    ((CountVectorizer, DictVectorizer), _check_vocabulary),
    ((KMeans, MiniBatchKMeans), _check_kmeans),
    (TREES, _check_one_tree),
    ((*FORESTS, ExtraTreesClassifier, ExtraTreesRegressor), _check_forest),
    ((MLPClassifier, MLPRegressor), _check_mlp),
    (MLPEmbedder, _check_mlp_embedder),
    (TorchEmbedder, _check_torch_embedder),
)

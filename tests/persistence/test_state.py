"""Fitted attributes that compiled code believes are checked when a file is loaded."""

import copy
import json

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier, RandomTreesEmbedding
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    OneHotEncoder,
    PolynomialFeatures,
    StandardScaler,
    TargetEncoder,
)
from sklearn.tree import DecisionTreeClassifier

from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex.exceptions import ModelFileError
from sklearn_kmex.persistence import load_psem, save_psem

skops = pytest.importorskip("skops.io")
pytest.importorskip("safetensors")
from forged import archive_of, array_of, forge, nodes_of, npy, zipped

RNG = np.random.RandomState(0)
Y = np.repeat([0, 1], 30)
X = RNG.normal(size=(60, 4)) + 3 * Y[:, np.newaxis]
CODES = np.repeat([0.0, 1.0, 2.0, 3.0], [20, 20, 10, 10])[RNG.permutation(60)]
CODES = np.stack([CODES, CODES[::-1]], axis=1)
WORDS = RNG.choice(["a", "good", "nice", "bad", "awful", "film"], size=(60, 5))
TEXTS = [" ".join(row) for row in WORDS]


def kmex(*steps):
    return make_pipeline(*steps, KMExClassifier(1))


RARE = OneHotEncoder(min_frequency=15, handle_unknown="infrequent_if_exist")
MLP = MLPClassifier((3,), solver="lbfgs", random_state=0).fit(X, Y)
FOREST = RandomForestClassifier(2, max_depth=3, random_state=0).fit(X, Y)
MODELS = {
    "scaled": (kmex(StandardScaler(), PCA(2)), X),
    "text": (kmex(TfidfVectorizer()), TEXTS),
    "dicts": (kmex(DictVectorizer()), [{"a": word} for word in WORDS[:, 0]]),
    "codes": (kmex(OneHotEncoder(drop="first")), CODES),
    "rare": (kmex(RARE), CODES),
    "means": (kmex(TargetEncoder()), CODES),
    "powers": (kmex(PolynomialFeatures(2)), X),
    "nearest": (kmex(KMeans(3, n_init=1, random_state=0)), X),
    "mlp": (make_kmex(MLP, n_prototypes=1), X),
    "forest": (make_kmex(FOREST, n_prototypes=1), X),
    "leaves": (kmex(RandomTreesEmbedding(2, max_depth=3, random_state=0)), X),
    "union": (kmex(make_union(PCA(2), StandardScaler())), X),
}


@pytest.fixture(scope="module")
def fitted():
    return {name: psem.fit(rows, Y) for name, (psem, rows) in MODELS.items()}


@pytest.fixture
def load(tmp_path):
    """Return a function that loads an estimator from a file with a valid checksum."""
    path = tmp_path / "psem"
    save_psem(KMExClassifier(1).fit(X, Y), path)
    raw = path.read_bytes()

    def load(estimator, **options):
        path.write_bytes(forge(raw, estimator))
        return load_psem(path, **options)

    return load


def put(*place_and_value):
    """Return a function that changes a list, dict or array in place."""
    *place, last, value = place_and_value

    def change(values):
        for name in place:
            values = values[name]
        values[last] = value

    return change


def altered(psem, place, value):
    """Write a copy of a model, in which an attribute has another value."""
    psem = copy.deepcopy(psem)
    *path, last = place.split(".")
    one = psem
    for name in path:
        one = one[int(name)] if name.isdigit() else getattr(one, name)
    if callable(value):
        value(vars(one)[last])
    else:
        vars(one)[last] = value
    return skops.dumps(psem)


@pytest.mark.parametrize("name", MODELS)
def test_models_as_fit_left_them_are_loaded(fitted, name, load):
    loaded, rows = load(skops.dumps(fitted[name])), MODELS[name][1]
    assert_array_equal(loaded.predict_proba(rows), fitted[name].predict_proba(rows))


TREE = "forest 0.ensemble.estimators_.0"
IMPOSSIBLE = [
    ("scaled 0.mean_", np.zeros((10_000, 1)), "StandardScaler"),
    ("scaled 0.scale_", np.ones(3), "StandardScaler"),
    ("scaled 1.components_", np.ones((2, 3)), "PCA"),
    ("scaled 0.n_features_in_", -1, "StandardScaler has impossible mean_, "),
    ("scaled 0.transform", "nothing", "StandardScaler"),
    ("scaled 0.__class__", "nothing", "StandardScaler"),
    ("scaled memory", "/somewhere", "Pipeline"),
    ("text 0.input", "filename", "TfidfVectorizer"),
    ("text 0.input", "file", "TfidfVectorizer"),
    ("text 0.token_pattern", r"(a+)+$", "TfidfVectorizer"),
    ("text 0.token_pattern", r"\w+\w+\w+\w+!", "TfidfVectorizer"),
    ("text 0.token_pattern", r"(?:a|a)*b", "TfidfVectorizer"),
    ("text 0.ngram_range", (1, 10**9), "TfidfVectorizer"),
    ("text 0.encoding", "zip", "TfidfVectorizer"),
    ("text 0.stop_words", {"a": 1}, "TfidfVectorizer"),
    ("text 0.analyzer", np.array("word"), "TfidfVectorizer"),
    ("text 0.vocabulary_", put("film", 10**6), "TfidfVectorizer"),
    ("text 0.vocabulary_", put("film", -1), "TfidfVectorizer"),
    ("text 0.vocabulary_", put("film", 0), "TfidfVectorizer"),
    ("text 0._tfidf.idf_", np.ones(2), "TfidfTransformer"),
    ("dicts 0.vocabulary_", put("a=film", 99), "DictVectorizer"),
    ("codes 0._n_features_outs", [3, 10**9], "OneHotEncoder has impossible columns"),
    ("codes 0._n_features_outs", [1, 1], "OneHotEncoder has impossible columns"),
    ("codes 0._drop_idx_after_grouping", put(0, -5), "OneHotEncoder .* columns"),
    ("codes 0._drop_idx_after_grouping", put(0, 9), "OneHotEncoder .* columns"),
    ("codes 0.categories_", put(0, np.arange(4.0)[::-1]), "OneHotEncoder"),
    ("codes 0.categories_", [np.arange(4.0)], "OneHotEncoder"),
    ("codes 0.categories_", put(0, np.zeros(0)), "OneHotEncoder"),
    ("codes 0.categories_", put(0, np.zeros((4, 1))), "OneHotEncoder"),
    ("codes 0.categories_", put(0, np.arange(4).astype("M8[D]")), "OneHotEncoder"),
    ("rare 0._infrequent_indices", put(0, np.array([2, 99])), "OneHot.* columns"),
    ("rare 0._infrequent_indices", put(0, None), "OneHotEncoder .* columns"),
    ("rare 0._default_to_infrequent_mappings", put(0, 0, 10**6), "OneHot.* columns"),
    ("powers 0.n_output_features_", 16, "PolynomialFeatures"),
    ("powers 0._n_out_full", 10**6, "PolynomialFeatures has impossible n_output"),
    ("powers 0.n_features_in_", 10**9, "PolynomialFeatures"),
    ("powers 0.degree", 10**9, "PolynomialFeatures"),
    ("means 0.target_type_", "multiclass", "TargetEncoder .* encodings_"),
    ("nearest 0.cluster_centers_", np.ones((3, 2)), "KMeans"),
    ("nearest 0.cluster_centers_", np.ones((3, 4), "f2"), "KMeans"),
    ("nearest 0._n_threads", 10**6, "KMeans"),
    ("mlp 0.mlp.coefs_", put(0, np.ones((4, 9))), "MLPClassifier"),
    ("mlp 0.mlp.intercepts_", put(0, np.ones((9, 1))), "MLPClassifier"),
    ("mlp 0.mlp.n_layers_", 9, "MLPClassifier"),
    ("mlp 0.mlp.activation", "sine", "MLPClassifier"),
    ("mlp 0.layer", 5, "MLPEmbedder"),
    ("forest 0.ensemble.estimators_", [], "RandomForestClassifier"),
    (
        "forest 0.ensemble.estimators_",
        put(0, StandardScaler()),
        "RandomForestC.* estimators_",
    ),
    ("forest 0.ensemble.n_features_in_", 9, "RandomForest.* estimators_"),
    ("forest 0.ensemble.n_classes_", 10**9, "RandomForestClassifier"),
    ("forest 0.ensemble.n_jobs", -1000, "RandomForestClassifier"),
    (f"{TREE}.n_features_in_", 9, "has impossible (tree_|estimators_)"),
    (f"{TREE}.n_classes_", np.int64(9), "has impossible n_classes_"),
    (f"{TREE}.tree_", KMeans(2), "reading it failed with AttributeError"),
    ("leaves 0.one_hot_encoder_._n_features_outs", [1, 1], "OneHotEncoder .* columns"),
    ("union 0.verbose_feature_names_out", "{feature_name:>9}", "FeatureUnion"),
    ("union 0.n_jobs", 200, "FeatureUnion has impossible n_jobs, which may be 128"),
]


@pytest.mark.parametrize(("place", "value", "words"), IMPOSSIBLE)
def test_states_that_no_fit_leaves_are_refused(fitted, place, value, words, load):
    name, place = place.split()
    if "impossible" not in words and " " not in words:
        words += f" has impossible .*{place.rpartition('.')[2]}"
    with pytest.raises(ModelFileError, match=words):
        load(altered(fitted[name], place, value))


def test_a_type_that_is_trusted_is_not_checked(fitted, load):
    raw = altered(fitted["text"], "0.token_pattern", r"[a-z]+(?:-[a-z]+)*")
    name = "sklearn.feature_extraction.text.TfidfVectorizer"
    with pytest.raises(ModelFileError, match=f"or name {name} in trusted if you know"):
        load(raw)
    loaded = load(raw, trusted=[name])
    assert loaded[0].token_pattern == r"[a-z]+(?:-[a-z]+)*"


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?u)\b\w\w+\b",
        r"(?u)\b\w+\b",
        r"\b[a-zA-Z]+\b",
        r"[A-Za-z]{2,}",
        r"\b\w{3,20}\b",
        r"\S+",
        r"[^\s]+",
        r"\w+",
    ],
)
def test_usual_patterns_of_words_are_loaded(fitted, load, pattern):
    assert load(altered(fitted["text"], "0.token_pattern", pattern))[0].token_pattern


def test_the_position_of_a_generator_is_inside_its_key(load):
    random_state = np.random.RandomState(0)
    psem = KMExClassifier(1, random_state=random_state).fit(X, Y)
    load(skops.dumps(psem))
    for position in (-1, 625, 10**9):
        state = random_state.get_state(legacy=False)
        state["state"]["pos"] = position
        random_state.set_state(state)
        with pytest.raises(ModelFileError, match="impossible random_state"):
            load(skops.dumps(psem))


def test_the_version_in_a_warning_is_a_version(fitted, load):
    members = archive_of(skops.dumps(fitted["scaled"]))
    schema = json.loads(members["schema.json"])
    states = [
        one["content"] for one in nodes_of(schema) if "Scaler" in one["__class__"]
    ]
    (state,) = [one["content"] for one in states if isinstance(one, dict)]
    state["_sklearn_version"]["content"] = json.dumps("\x1b[2J")
    members["schema.json"] = json.dumps(schema).encode()
    with pytest.raises(ModelFileError, match=r"version of scikit-learn is .*u001b"):
        load(zipped(members.items()))


def with_tree(raw, **changes):
    """Change parts of the first tree of an estimator."""
    members = archive_of(raw)
    schema = json.loads(members["schema.json"])
    tree = next(one for one in nodes_of(schema) if one["__loader__"] == "TreeNode")
    names = ("n_features", "n_classes", "n_outputs")
    args = dict(zip(names, tree["__reduce__"]["args"]["content"], strict=True))
    parts = args | tree["content"]["content"]
    for name, change in changes.items():
        if name in ("nodes", "values", "n_classes"):
            file = parts[name]["file"]
            members[file] = npy(change(array_of(members[file])))
        else:
            parts[name]["content"] = json.dumps(change)
            parts[name]["__id__"] = 12345
    return zipped((members | {"schema.json": json.dumps(schema).encode()}).items())


def field(name, place, value):
    def change(nodes):
        nodes = nodes.copy()
        nodes[name][place] = value
        return nodes

    return change


def packed(nodes):
    """Nodes without the bytes that fill gaps between the fields."""
    return nodes.astype([(name, nodes.dtype[name]) for name in nodes.dtype.names])


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("nodes", field("left_child", 0, 10**9)),
        ("nodes", field("left_child", 0, -7)),
        ("nodes", field("left_child", 0, 0)),
        ("nodes", field("right_child", 0, 1)),
        ("nodes", field("right_child", -1, 10**9)),
        ("nodes", field("feature", 0, 4)),
        ("nodes", field("feature", 0, -7)),
        ("nodes", packed),
        ("nodes", lambda nodes: nodes[:-1]),
        ("nodes", lambda nodes: nodes[:0]),
        ("values", lambda values: values[:, :, :1]),
        ("values", lambda values: values.astype("f4")),
        ("n_classes", lambda counts: counts * 10**9),
        ("n_classes", lambda counts: -counts),
        ("max_depth", 0),
        ("max_depth", 10**12),
        ("node_count", 10**6),
        ("node_count", -1),
        ("n_outputs", 10**9),
        ("n_features", 2),
    ],
)
def test_trees_that_were_not_grown_are_refused(fitted, load, part, change):
    raw = skops.dumps(fitted["forest"])
    load(with_tree(raw))
    with pytest.raises(ModelFileError, match=r"a tree in it has impossible|tree_"):
        load(with_tree(raw, **{part: change}))


@pytest.mark.filterwarnings("ignore:The 200 rows of X have only 3 different")
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_depth": 1},
        {"max_leaf_nodes": 5},
        {"ccp_alpha": 0.01},
        {"min_impurity_decrease": 10.0},  # the root only
        {"splitter": "random"},
    ],
)
def test_trees_as_they_grow_are_loaded(options, load):
    rng = np.random.RandomState(0)
    noise = rng.normal(size=(200, 4))
    noise[::7, 1] = np.nan
    y = rng.randint(3, size=200)
    tree = DecisionTreeClassifier(random_state=0, **options).fit(noise, y)
    psem = make_kmex(tree, n_prototypes=1)
    if len(np.unique(tree.apply(noise))) > 1:
        psem.fit(noise, y)
        loaded = load(skops.dumps(psem))
        assert_array_equal(loaded.predict(noise), psem.predict(noise))

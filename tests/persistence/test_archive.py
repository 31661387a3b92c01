"""Damaged and hostile files raise one clear error, and no code from them runs."""

import copy
import io
import json
import pickle
import sys
import time
import zipfile
from contextlib import contextmanager

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.frozen import FrozenEstimator

from sklearn_kmex import KMExClassifier, RejectingClassifier
from sklearn_kmex.exceptions import ModelFileError
from sklearn_kmex.persistence import load_psem, save_psem
from sklearn_kmex.persistence._archive import SCHEMA, read_header

pytest.importorskip("skops")
safetensors = pytest.importorskip("safetensors.numpy")
from forged import forge, members_of, zipped

# What hostile code in a file would do.
ALARMS = {"exec", "open", "os.system", "pickle.find_class", "subprocess.Popen"}
ALARMS |= {"socket.connect", "os.remove", "os.rename", "ctypes.dlopen"}
heard, listening = [], []


def listen(event, args):
    if listening and event in ALARMS:
        heard.append((event, args))


@contextmanager
def nothing_runs():
    """Fail if anything is run, opened or imported from a file; reading it is fine."""
    if not getattr(sys, "_kmex_listens", False):
        sys.addaudithook(listen)
        sys._kmex_listens = True
    heard.clear()
    listening.append(True)
    try:
        yield
    finally:
        listening.clear()
    assert heard == []


@pytest.fixture(scope="module")
def psem():
    rng = np.random.RandomState(0)
    y = np.repeat(["a", "b"], 10)
    X = rng.normal(size=(20, 2)) + 4 * (y == "b")[:, np.newaxis]
    return KMExClassifier(2, random_state=0).fit(X, y)


@pytest.fixture
def load(tmp_path, psem):
    """Return a function that loads bytes as a file; reading the file is allowed."""
    path = tmp_path / "psem"
    save_psem(psem, path)
    load_psem(path)  # imports everything that loading needs

    def load(raw, **options):
        path.write_bytes(raw)
        read = path.read_bytes
        with pytest.MonkeyPatch.context() as patch:
            content = read()
            patch.setattr("pathlib.Path.read_bytes", lambda _: content)
            with nothing_runs():
                return load_psem(path, **options)

    load.raw = path.read_bytes()
    return load


DAMAGED = [1_000, pytest.param(10_000, marks=pytest.mark.slow)]
FORGED = [150, pytest.param(1_500, marks=pytest.mark.slow)]


def mutate(raw, rng):
    """Damage a file: bits, bytes, cuts, gaps, repeats, and a piece of it elsewhere."""
    data, kind = bytearray(raw), rng.integers(7)
    at, size = int(rng.integers(len(raw))), int(rng.integers(1, 64))
    if kind == 0:
        data[at] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        data[at : at + size] = rng.bytes(min(size, len(raw) - at))
    elif kind == 2:
        del data[at:]
    elif kind == 3:
        del data[at : at + size]
    elif kind == 4:
        data[at:at] = rng.bytes(size)
    elif kind == 5:
        data[at:at] = data[at : at + size]
    else:
        to = int(rng.integers(len(raw)))
        data[to : to + size] = data[at : at + size]
    return bytes(data)


@pytest.mark.parametrize("count", DAMAGED)
def test_damaged_files_are_all_refused(load, count):
    rng = np.random.default_rng(0)
    damaged = {load.raw[:size] for size in range(0, 2000, 7)}
    while len(damaged) < count:
        damaged |= {mutate(load.raw, rng)} - {load.raw}
    for raw in damaged:
        with pytest.raises(ModelFileError, match="psem cannot be loaded: "):
            load(raw)


def test_each_byte_of_the_header_counts(load):
    _, start = read_header(load.raw)
    for at in range(start):
        raw = bytearray(load.raw)
        raw[at] ^= 1 << at % 8
        with pytest.raises(ModelFileError):
            load(bytes(raw))


def test_other_space_behind_the_header_is_refused(load):
    header, start = load.raw[8 : read_header(load.raw)[1]], read_header(load.raw)[1]
    for space in (b" " * 7 + b"\t", b" " * 7 + b"\n"):
        size = (len(header) + 8).to_bytes(8, "little")
        with pytest.raises(ModelFileError, match="header is incomplete"):
            load(size + header + space + load.raw[start:])


def hostile_values(rng):
    """Hostile values for a schema."""
    values = [None, True, -1, 2**70, 1e400, "", "os", "system", "posix.system", [], {}]
    values += ["../../etc/passwd", "schema.json", {"__class__": "system"}, [[[]]]]
    values += ["numpy.ndarray", "ObjectNode", "FunctionNode", "TypeNode", "JsonNode"]
    values += ["MethodNode", "OperatorFuncNode", "ReduceNode", "PartialNode", "eval"]
    return values[rng.integers(len(values))]


def scramble(value, rng, chance):
    """Replace some parts of a schema by hostile values."""
    if rng.random() < chance:
        return hostile_values(rng)
    if isinstance(value, dict):
        return {key: scramble(part, rng, chance) for key, part in value.items()}
    if isinstance(value, list):
        return [scramble(part, rng, chance) for part in value]
    return value


@pytest.mark.parametrize("count", FORGED)
@pytest.mark.filterwarnings("ignore")
def test_forged_schemas_are_refused_or_harmless(load, psem, count):
    rng = np.random.default_rng(1)
    members = members_of(load.raw)
    schema = json.loads(members.pop("schema.json"))
    refused = 0
    for _ in range(count):
        changed = json.dumps(scramble(schema, rng, 0.02)).encode()
        raw = forge(load.raw, zipped([*members.items(), ("schema.json", changed)]))
        try:
            loaded = load(raw)
        except ModelFileError:
            refused += 1
        else:  # the change has no effect, or is a valid setting
            assert type(loaded) is KMExClassifier
            assert loaded.prototypes_.shape == psem.prototypes_.shape
    assert refused > 2 * count / 3


@pytest.mark.parametrize("count", FORGED)
@pytest.mark.filterwarnings("ignore")
def test_forged_archives_are_refused_or_harmless(load, psem, count):
    rng = np.random.default_rng(2)
    _, start = read_header(load.raw)
    refused = 0
    for _ in range(count):
        try:
            loaded = load(forge(load.raw, mutate(load.raw[start:], rng)))
        except ModelFileError:
            refused += 1
        else:
            assert_array_equal(loaded.prototype_classes_, psem.prototype_classes_)
    assert refused > 2 * count / 3


class Evil:
    """Runs a command when its pickle is loaded."""

    def __reduce__(self):
        return exec, ("import os; os.system('touch pwned')",)


PICKLES = [pickle.dumps(Evil(), protocol) for protocol in range(6)]


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_are_not_run(load, protocol):
    evil = PICKLES[protocol]
    members = members_of(load.raw)
    name = next(name for name in members if name.endswith(".npy"))
    objects = io.BytesIO()
    np.save(objects, np.array([Evil()], dtype=object), allow_pickle=True)
    for raw in (
        evil,
        forge(load.raw, evil),
        forge(load.raw, zipped((members | {name: evil}).items())),
        forge(load.raw, zipped((members | {name: objects.getvalue()}).items())),
        forge(load.raw, zipped((members | {"more.pkl": evil}).items())),
        forge(load.raw, zipped((members | {"schema.json": evil}).items())),
    ):
        with pytest.raises(ModelFileError):
            load(raw)


def node(module, name, loader, **more):
    return {"__module__": module, "__class__": name, "__loader__": loader, **more}


@pytest.mark.parametrize(
    "evil",
    [
        node("os", "system", "FunctionNode", content="system"),
        node("os", "system", "TypeNode"),
        node("builtins", "eval", "FunctionNode", content="eval"),
        node("subprocess", "Popen", "ObjectNode", content=None),
        node("antigravity", "fly", "ObjectNode", content=None),
        node("_operator", "methodcaller", "OperatorFuncNode", attrs=["system"]),
    ],
    ids=lambda evil: f"{evil['__module__']}.{evil['__class__']}",
)
def test_other_types_are_not_even_imported(load, evil):
    members = members_of(load.raw)
    schema = json.loads(members["schema.json"])
    schema["content"]["content"]["clusterer"] = evil
    members["schema.json"] = json.dumps(schema).encode()
    with pytest.raises(ModelFileError):
        load(forge(load.raw, zipped(members.items())))
    assert "antigravity" not in sys.modules


def test_compressed_archives_are_refused_before_they_are_read(load):
    members = members_of(load.raw)
    bomb = b"\x93NUMPY" + bytes(50_000_000)
    packed = zipped([*members.items(), ("0.npy", bomb)], zipfile.ZIP_DEFLATED)
    assert len(packed) < 100_000
    with pytest.raises(ModelFileError, match="members are larger than the file"):
        load(forge(load.raw, packed))
    noise = np.random.default_rng(0).bytes(100_000)
    packed_noise = zipped([("0.npy", noise)], zipfile.ZIP_LZMA)
    with pytest.raises(ModelFileError, match=r"'0\.npy' is compressed"):
        load(forge(load.raw, packed_noise))
    nested = zipped([*members.items(), ("0.npy", packed)])
    with pytest.raises(ModelFileError, match=r"'0\.npy' is not an array"):
        load(forge(load.raw, nested))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_with_the_same_name_or_a_path_are_refused(load, tmp_path):
    members = members_of(load.raw)
    twice = zipped([*members.items(), ("schema.json", members["schema.json"])])
    with pytest.raises(ModelFileError, match="two members with the same name"):
        load(forge(load.raw, twice))
    outside = zipped([*members.items(), ("../../evil.py", b"raise SystemExit")])
    with pytest.raises(ModelFileError, match=r"evil\.py' is not an array"):
        load(forge(load.raw, outside))
    assert not list(tmp_path.rglob("*.py"))


def test_tensors_of_absurd_shapes_are_refused(load):
    text = json.dumps(
        {"estimator": {"dtype": "U8", "shape": [2**40], "data_offsets": [0, 2**40]}}
    ).encode()
    for size in (len(text), 2**62):
        with pytest.raises(ModelFileError):
            load(size.to_bytes(8, "little") + text)


def header_of(array, shape):
    """Bytes of an array with another shape in its header."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue().replace(str(array.shape).encode(), shape.encode(), 1)


def test_arrays_of_absurd_shapes_are_refused(load):
    members = members_of(load.raw)
    arrays = [name for name in members if name != "schema.json"]
    for name in arrays:
        array = np.load(io.BytesIO(members[name]))
        for shape in ("(999999999999999,)", "(9, 999999999)", "(-1,)", "(0, 0)"):
            changed = members | {name: header_of(array, shape)}
            with pytest.raises(ModelFileError):
                load(forge(load.raw, zipped(changed.items())))


def with_schema(raw, change):
    """A file whose JSON is what a function returns for it."""
    members = members_of(raw)
    schema = change(json.loads(members["schema.json"]))
    members["schema.json"] = json.dumps(schema).encode()
    return forge(raw, zipped(members.items()))


def in_log(*parts):
    """Return a function that puts nodes into the list of edits."""

    def change(schema):
        schema["content"]["content"]["edit_log_"]["content"] = list(parts)
        return schema

    return change


def a_list(identity, *parts):
    named = node("builtins", "list", "ListNode", content=list(parts))
    return named | {"__id__": identity}


def doubled(depth, copied):
    """A list of the same list twice, and so on; whole, or as a reference to it."""
    one = a_list(1)
    for level in range(2, depth + 2):
        again = copy.deepcopy(one) if copied else one | {"content": []}
        one = a_list(level, one, again)
    return one


def test_nested_references_take_no_time(load):
    logs = with_schema(load.raw, in_log(doubled(4, copied=True)))
    (log,) = load(logs).edit_log_
    assert log[0] is log[1]
    start = time.perf_counter()
    with pytest.raises(ModelFileError, match="objects in it have the same identity"):
        load(with_schema(load.raw, in_log(doubled(30, copied=False))))
    for inside in ({"__id__": 7}, a_list(7), a_list(7, {"__id__": 7})):
        with pytest.raises(ModelFileError):
            load(with_schema(load.raw, in_log(a_list(7, inside))))
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("identity", [0, -1, None, True, 1.0, "1", [1]])
def test_identities_are_positive_numbers(load, identity):
    with pytest.raises(ModelFileError):
        load(with_schema(load.raw, in_log(a_list(identity))))


def test_deep_nesting_is_refused(load):
    deep = a_list(1)
    for level in range(2, 70):
        deep = a_list(level, deep)
    with pytest.raises(ModelFileError, match="nested deeper than 128 levels"):
        load(with_schema(load.raw, in_log(deep)))


def test_an_array_is_read_once(load):
    array = node("numpy", "ndarray", "NdArrayNode", type="numpy")
    names = [name for name in members_of(load.raw) if name != "schema.json"]
    parts = [array | {"__id__": 9 + n, "file": names[0]} for n in range(2)]
    with pytest.raises(ModelFileError, match="arrays are not named as skops names"):
        load(with_schema(load.raw, in_log(*parts)))


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [
        ("<U0", "(1000000000,)"),
        ("<U500000000", "(0,)"),
        ("<f8", "(1000000000, 0)"),
        ("<f8", "(0, 1000000000)"),
        ("<f8", "(-1, -2)"),
        ("<f8", "(1000000000,)"),
        ("|O", "(1,)"),
    ],
)
def test_arrays_have_the_bytes_that_they_claim(load, dtype, shape):
    head = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n"
    size = len(head).to_bytes(2, "little")
    content = (
        b"\x93NUMPY\x01\x00" + size + head.encode() + bytes(16) * (shape[1] == "-")
    )
    members = members_of(load.raw)
    name = next(name for name in members if name != "schema.json")
    changed = members | {name: content}
    with pytest.raises(ModelFileError, match=f"{name}' claims the shape"):
        load(forge(load.raw, zipped(changed.items())))


def test_messages_cannot_control_a_terminal(load):
    def rename(schema):
        schema["__class__"] = "\x1b[2J\u202e" + "x" * 100_000
        return schema

    later = {"schema": SCHEMA + 1, "versions": {"sklearn-kmex": "\x1b[2J\x07"}}
    for raw in (with_schema(load.raw, rename), forge(load.raw, **later)):
        with pytest.raises(ModelFileError, match=r"\\x1b\[2J") as caught:
            load(raw)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 3000
        assert caught.value.__suppress_context__


DECIDING = {
    "prototypes_": [np.nan, np.inf],
    "class_prior_": [np.nan],
    "n_prototypes_": [-1, 7],
    "prototype_classes_": ["c"],
    "prototype_counts_": [np.nan, -1.0],
    "prototype_indices_": [-2],
    "inertia_": [-1.0],
}


@pytest.mark.parametrize("name", DECIDING)
def test_impossible_values_are_refused(load, psem, name, tmp_path):
    for value in DECIDING[name]:
        altered = KMExClassifier()
        altered.__dict__ = {
            k: np.copy(v) if k == name else v for k, v in vars(psem).items()
        }
        getattr(altered, name).flat[0] = value
        save_psem(altered, tmp_path / "altered")
        with pytest.raises(ModelFileError, match=f"{name}.* cannot belong to a fitted"):
            load((tmp_path / "altered").read_bytes())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature_", float("nan")),
        ("temperature_", "1"),
        ("temperature_", 0.0),
        ("similarity", "cosine"),
        ("metric_", "manhattan"),
        ("metric_", "mahalanobis"),
        ("metric_map_", np.eye(2)),
        ("similarity_", "cosine"),
        ("similarity_", "auto"),
        ("aggregation_", "mean"),
        ("priors_", "empirical"),
        ("priors_", [0.2, 0.3, 0.5]),
        ("priors_", ["a", "b"]),
        ("priors_", [-1.0, 2.0]),
        ("priors_", [0.0, 1.0]),
        ("priors_", [1e300, 1e300]),
        ("class_prior_", np.array([0.5, 0.6])),
        ("classes_", np.array(["b", "a"])),
        ("predict", "always a"),
        ("n_jobs", 1000),
        ("class_prior_", np.zeros(2)),
        ("class_prior_", np.array([1.5, -0.5])),
        ("prototype_counts_", np.zeros(4)),
        ("epsilon", 2.0),
        ("classes_", np.array(["a", "a"])),
        ("classes_", None),
        ("n_features_in_", 3),
        ("prototypes_", np.zeros((4, 2), dtype=np.int64)),
        ("prototype_indices_", np.zeros(4)),
    ],
)
def test_impossible_settings_are_refused(load, psem, name, value, tmp_path):
    altered = KMExClassifier()
    altered.__dict__ = vars(psem) | {name: value}
    raw = forge_model(load.raw, altered)
    with pytest.raises(ModelFileError):
        load(raw)


@pytest.fixture(scope="module")
def chosen():
    """A classifier in a Mahalanobis metric, with the results of its search."""
    rng = np.random.RandomState(0)
    y = np.repeat(["a", "b"], 30)
    X = rng.normal(size=(60, 2)) + 4 * (y == "b")[:, np.newaxis]
    psem = KMExClassifier("auto", metric="mahalanobis", random_state=0)
    return psem.fit(X, y)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("metric_map_", None),
        ("metric_map_", np.eye(3)),
        ("metric_map_", np.full((2, 2), np.nan)),
        ("metric_map_", np.eye(2, dtype=int)),
        ("_scatter", (np.eye(3), 1.0)),
        ("_scatter", (np.eye(2), np.inf)),
        ("_scatter", (np.eye(2), -1.0)),
        ("_scatter", None),
        ("shrinkage_", None),
        ("shrinkage_", 1.5),
        ("best_index_", 99),
        ("best_index_", "0"),
        ("best_params_", {"n_prototypes": 7}),
        ("cv_results_", {}),
        ("cv_results_", {"params": []}),
    ],
)
def test_impossible_metrics_and_searches_are_refused(load, chosen, name, value):
    assert_array_equal(
        load(forge_model(load.raw, chosen)).metric_map_, chosen.metric_map_
    )
    altered = KMExClassifier()
    altered.__dict__ = vars(chosen) | {name: value}
    with pytest.raises(ModelFileError):
        load(forge_model(load.raw, altered))


@pytest.mark.parametrize("column", ["mean_test_score", "param_metric", "params"])
def test_results_of_a_search_have_one_row_for_each_candidate(load, chosen, column):
    altered = KMExClassifier()
    results = chosen.cv_results_
    for changed in (results | {column: results[column][1:]}, dict(results)):
        altered.__dict__ = vars(chosen) | {"cv_results_": changed}
        if len(changed[column]) == len(results[column]):
            del changed[column]
        with pytest.raises(ModelFileError):
            load(forge_model(load.raw, altered))


def forge_model(raw, model):
    import skops.io

    return forge(raw, skops.io.dumps(model))


def test_another_kind_of_model_is_refused(load):
    from sklearn.neighbors import NearestCentroid

    other = NearestCentroid().fit([[0.0], [1.0], [2.0]], [0, 0, 1])
    name = "sklearn.neighbors._nearest_centroid.NearestCentroid"
    with pytest.raises(ModelFileError, match=f"not trusted: {name}"):
        load(forge_model(load.raw, other))
    with pytest.raises(ModelFileError, match="NearestCentroid has no prototypes_"):
        load(forge_model(load.raw, other), trusted=[name])
    other.prototypes_ = other.prototype_classes_ = other.transform = np.arange(2)
    with pytest.raises(ModelFileError, match="NearestCentroid, which is not a KMEx"):
        load(forge_model(load.raw, other), trusted=[name])


def test_newer_files_ask_for_an_upgrade(load):
    raw = forge(load.raw, schema=SCHEMA + 1, versions={"sklearn-kmex": "9.0"})
    with pytest.raises(ModelFileError) as caught:
        load(raw)
    assert str(caught.value) == (
        "psem cannot be loaded: its schema 3 is newer than 2, the latest that this "
        "version reads. Upgrade sklearn-kmex to 9.0, which wrote the file."
    )
    for schema in (0, "1", None):
        with pytest.raises(ModelFileError, match=f"its schema is {schema!r}"):
            load(forge(load.raw, schema=schema))


def test_forging_nothing_changes_nothing(load, psem):
    assert_array_equal(load(forge(load.raw)).prototypes_, psem.prototypes_)
    other = safetensors.save({"estimator": np.zeros(3, dtype=np.uint8)}, {"a": "b"})
    with pytest.raises(ModelFileError, match="not written by save_psem"):
        load(other)


REFUSING = {
    "thresholds_": lambda values: values.__setitem__(0, -np.inf),
    "classes_": lambda values: values.__setitem__(0, "0"),
    "calibration_scores_": lambda values: values[0].__setitem__(0, np.inf),
    "calibration_weights_": lambda values: values[1].__setitem__(0, -1.0),
}


@pytest.mark.parametrize("name", REFUSING)
def test_impossible_thresholds_are_refused(name, psem, tmp_path):
    rng = np.random.RandomState(0)
    y = np.repeat(["a", "b"], 30)
    X = rng.normal(size=(60, 2)) + 4 * (y == "b")[:, np.newaxis]
    careful = RejectingClassifier(FrozenEstimator(psem), quantile=0.2).fit(X, y)
    save_psem(careful, tmp_path / "careful")
    loaded = load_psem(tmp_path / "careful")
    assert_array_equal(loaded.accept(X), careful.accept(X))
    altered = copy.deepcopy(getattr(careful, name))
    REFUSING[name](altered)
    setattr(careful, name, altered)
    save_psem(careful, tmp_path / "careful")
    with pytest.raises(ModelFileError, match=f"{name}.* cannot belong to a fitted"):
        load_psem(tmp_path / "careful")

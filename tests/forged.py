"""Files with other content and a valid checksum, and an attack with many of them.

Run as a script, it forges one file after the other, loads each, and predicts with those
that load. It writes the number of each file first, so that the one that ended the
process is known.
"""

import io
import json
import resource
import signal
import sys
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from sklearn_kmex.exceptions import ModelFileError
from sklearn_kmex.persistence import load_psem
from sklearn_kmex.persistence._archive import digest, read_header

safetensors = pytest.importorskip("safetensors.numpy")

SECONDS = 10  # that a file may take
GROWTH = 2**30  # bytes of memory that it may take


def forge(raw, estimator=None, **manifest):
    """Change a file, and set a valid checksum."""
    header, start = read_header(raw)
    content = json.loads(header["__metadata__"]["sklearn_kmex"]) | manifest
    estimator = raw[start:] if estimator is None else estimator
    tensors = {"estimator": np.frombuffer(estimator, dtype=np.uint8)}
    metadata = {"sklearn_kmex": json.dumps(content)}
    sealed = metadata | {"sha256": digest(safetensors.save(tensors, metadata))}
    return safetensors.save(tensors, sealed)


def members_of(raw):
    """Names and contents of the archive in a file."""
    _, start = read_header(raw)
    return archive_of(raw[start:])


def archive_of(estimator):
    """Names and contents of the archive that holds an estimator."""
    with zipfile.ZipFile(io.BytesIO(estimator)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def array_of(content):
    """The array of a member."""
    return np.load(io.BytesIO(content), allow_pickle=False)


def zipped(members, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


# Contents of a node that is a number, a text or a setting.
SETTINGS = [None, True, False, -1, 0, 1, 2, 7, 10**6, 2**31, 2**63, 10**30, -5.5, 1e300]
SETTINGS += [float("nan"), float("inf"), "", "x", "auto", "filename", "(a+)+$", "csr"]
SETTINGS += ["sum", "cosine", "gaussian", "relu", "drop", "pandas", "\x1b[2J", [], {}]
SETTINGS += ["x" * 10_000, [0, 1], {"a": 1}, [[[]]], "callable", "precomputed"]
HUGE = [-1, 0, 1, 2, 10**6, 2**31 - 1, -(2**31), 2**62]
ODD = [np.nan, np.inf, -np.inf, 1e300, 1e-300]
DTYPES = ["f4", "f8", "i4", "i8", "u1", "c16", "U3", "?", ">f8"]
NAMES = ["predict", "transform", "n_jobs", "memory", "classes_", "categories_", "tree_"]


def hostile_array(array, rng):
    """Change values, the shape or the dtype of an array."""
    if array.dtype.names is not None:
        return hostile_table(array.copy(), rng)
    changes = [
        lambda: with_value(array, HUGE[rng.integers(len(HUGE))], rng),
        lambda: with_value(array, ODD[rng.integers(len(ODD))], rng),
        lambda: array + rng.integers(-3, 100),
        lambda: -array,
        lambda: array[: rng.integers(len(array) + 1)],
        lambda: np.concatenate([array, array]),
        lambda: array.reshape(-1, 1),
        lambda: array.T[..., None],
        lambda: array[None],
        lambda: array[::-1],
        lambda: array.astype(DTYPES[rng.integers(len(DTYPES))]),
    ]
    return changes[rng.integers(len(changes))]()


def with_value(array, value, rng):
    array = array.copy()
    array.flat[rng.integers(array.size)] = value
    return array


def hostile_table(array, rng):
    """Change nodes of a tree."""
    if rng.random() < 0.2:
        return array[: rng.integers(len(array) + 1)]
    name = array.dtype.names[rng.integers(len(array.dtype.names))]
    array[name][rng.integers(len(array))] = rng.integers(-3, 3 * len(array))
    return array


def hostile_header(content, rng):
    """Claim another shape or dtype than the bytes have."""
    old, new = [
        (b"(", b"(1000000000, "),
        (b"'<f8'", b"'<U0'"),
        (b"'<i8'", b"'|O'"),
        (b"<U", b"<U9"),
        (b"False", b"True"),
        (b"(", b"(-1, "),
        (b"(", b"(0, 1000000000, "),
    ][rng.integers(7)]
    size = 10 + int.from_bytes(content[8:10], "little")
    head = content[10:size].replace(old, new, 1).rstrip() + b"\n"
    return content[:8] + len(head).to_bytes(2, "little") + head + content[size:]


def nodes_of(schema):
    """All nodes of the JSON."""
    found, waiting = [], [schema]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if "__loader__" in one:
                found.append(one)
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
    return found


def hostile_node(nodes, rng):
    """Change a node: its content, its parts, its type or its identity."""
    one, other = (nodes[place] for place in rng.integers(len(nodes), size=2))
    kind, content = rng.integers(10), one.get("content")
    if kind < 4:
        plain = [node for node in nodes if node["__loader__"] == "JsonNode"]
        value = SETTINGS[rng.integers(len(SETTINGS))]
        plain[rng.integers(len(plain))]["content"] = json.dumps(value)
    elif kind == 4:
        copied = json.loads(json.dumps(other))
        one.clear()
        one.update(copied)
    elif kind == 5 and isinstance(content, dict) and content:
        names = list(content)
        name = names[rng.integers(len(names))]
        if rng.random() < 0.5:
            content[NAMES[rng.integers(len(NAMES))]] = content[name]
        else:
            del content[name]
    elif kind == 6 and isinstance(content, list):
        one["content"] = [content[::-1], content * 3, content[1:]][rng.integers(3)]
    elif kind == 7:
        one["__id__"] = other.get("__id__")
    elif kind == 8:
        one |= {key: other.get(key) for key in ("__class__", "__module__")}
    else:
        one["__loader__"] = other["__loader__"]


def mutate(members, rng):
    """Change one to three parts of what a file holds; some changes do not apply."""
    members = dict(members)
    schema = json.loads(members["schema.json"])
    arrays = [name for name in members if name != "schema.json"]
    for _ in range(rng.integers(1, 4)):
        name = arrays[rng.integers(len(arrays))]
        with suppress(ArithmeticError, LookupError, MemoryError, TypeError, ValueError):
            if rng.random() < 0.5:
                hostile_node(nodes_of(schema), rng)
            elif rng.random() < 0.1:
                members[name] = hostile_header(members[name], rng)
            else:
                array = array_of(members[name])
                members[name] = npy(hostile_array(array, rng))
    members["schema.json"] = json.dumps(schema).encode()
    return members


def report(number, message):
    """Print a message that must not be."""
    if "Memory" in message or "Unable to allocate" in message:
        print(number, "takes too much memory:", message, flush=True)
    if not message.isprintable():
        print(number, "can control a terminal:", repr(message), flush=True)


def attack(folder, first, last):
    """Forge, load and use files; print what went wrong, and the number of each file."""
    bases = sorted(Path(folder).glob("*.safetensors"))
    files = [(path.read_bytes(), members_of(path.read_bytes())) for path in bases]
    rows = [np.load(path.with_suffix(".npy")) for path in bases]
    limit = int(Path("/proc/self/statm").read_text().split()[0]) * 4096 + GROWTH
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process
    warnings.simplefilter("ignore")
    n_loaded, path = 0, Path(folder) / f"forged-{first}"
    for number in range(first, last):
        print(number, flush=True)
        rng, place = np.random.default_rng(number), number % len(bases)
        signal.alarm(SECONDS)
        members = mutate(files[place][1], rng)
        path.write_bytes(forge(files[place][0], zipped(members.items())))
        try:
            psem = load_psem(path)
        except ModelFileError as error:
            report(number, str(error))
            continue
        n_loaded += 1
        try:
            psem.predict_proba(rows[place])
        except Exception as error:
            report(number, f"in use: {error!r}")
    print("done", n_loaded)


if __name__ == "__main__":
    attack(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

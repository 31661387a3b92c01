"""What is needed to reproduce a report: data, parameters, versions."""

import ast
import hashlib
import platform
import re
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np

from sklearn_kmex._data.samples import len_of
from sklearn_kmex._draw.html import clipped
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex.report._text import as_name, as_text
from sklearn_kmex.utils._show_versions import installed_versions

CORE = ("sklearn-kmex", "scikit-learn", "numpy", "scipy", "torch")
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")  # of an object, which changes each time
LONGEST = 300  # characters of the value of a parameter
LONGEST_MODEL = 4_000  # characters of the model as code
ABRIDGED = "# The model in brief: parts of it cannot be written as code."


def describe_rows(X: Any, y: Any, digests: Iterable[bytes]) -> dict[str, Any]:
    """Count and hash samples, so that others can check that they have the same."""
    is_frame, kind = hasattr(X, "columns"), type(X).__name__
    return {
        "n_samples": len_of(X),
        "sample_shape": list(map(int, getattr(X, "shape", (0,))[1:])),
        "type": as_name(kind if is_frame else getattr(X, "dtype", kind)),
        "sha256": hashlib.sha256(b"".join(digests)).hexdigest(),
        "labels_sha256": None if y is None else labels_hash(y),
    }


def labels_hash(y: Any) -> str:
    """Hash labels as lines of text, whatever their dtype."""
    lines = "\n".join(map(str, np.asarray(y).tolist()))
    return hashlib.sha256(lines.encode("utf-8", "backslashreplace")).hexdigest()


def describe_model(psem: Any, sem: Any) -> dict[str, Any]:
    """Describe the model and its parameters, including nested ones."""
    return {
        "type": as_name(type(psem).__name__),
        "classifier": as_name(type(sem).__name__),
        "n_classes": len(sem.classes_),
        "n_prototypes": len(sem.prototype_classes_),
        "n_features": int(np.asarray(sem.prototypes_).shape[1]),
        "parameters": [
            {"name": as_name(name), "value": clipped(as_text(value), LONGEST)}
            for name, value in told_parameters(psem)
        ],
        "has_seed": getattr(sem, "random_state", 0) is not None,
    }


def told_parameters(psem: Any) -> Iterator[tuple[str, str]]:
    """Yield all parameters, each once: nested ones are not repeated in their owner's.

    An estimator that occurs again is named by the place where it comes first.
    """
    parameters = psem.get_params() if hasattr(psem, "get_params") else {}
    places: dict[int, str] = {}
    repeated: list[str] = []
    for name, value in sorted(parameters.items()):
        if name.startswith(tuple(repeated)) or holds_steps(name, parameters):
            continue
        text = ADDRESS.sub("", str(value))
        if any(other.startswith(f"{name}__") for other in parameters):
            text = type(value).__name__
            if id(value) in places:
                text = f"the same as {places[id(value)]}"
                repeated.append(f"{name}__")
        places.setdefault(id(value), name)
        yield name, text


def holds_steps(name: str, parameters: dict[str, Any]) -> bool:
    """Return whether a parameter lists steps that are parameters of their own."""
    value, prefix = parameters[name], name.rpartition("__")[0]
    if not isinstance(value, list) or not value:
        return False
    start = f"{prefix}__" if prefix else ""
    return all(
        isinstance(step, tuple) and f"{start}{step[0]}" in parameters for step in value
    )


def describe_system() -> dict[str, Any]:
    """Return the time, the kind of machine, and the versions of packages."""
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": f"{platform.system()}, {platform.machine()}",
        "versions": {"python": sys.version.split()[0], **installed_versions()},
    }


def is_code(text: str) -> bool:
    """Return whether a description of a model may be run, and leaves nothing out."""
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return not any(
        isinstance(node, ast.Constant) and node.value is ... for node in ast.walk(tree)
    )


def reproduce(psem: Any, with_training: bool) -> str:
    """Return code that makes the model and the report again."""
    packages = installed_versions()
    pins = [f"{name}=={packages[name]}" for name in CORE if name in packages]
    training = ", X_train=X_train, y_train=y_train" if with_training else ""
    log = getattr(find_sem(psem), "edit_log_", [])
    edited = ["# then the edits listed in the report, in this order"] if log else []
    model = clipped(as_text(ADDRESS.sub("", repr(psem))), LONGEST_MODEL)
    return "\n".join(
        [
            f"pip install {' '.join(pins)}",
            "",
            *([] if is_code(model) else [ABRIDGED]),
            f"psem = {model}",
            "psem.fit(X_train, y_train)",
            *edited,
            f"SEMReport(psem, X, y{training})",
        ]
    )

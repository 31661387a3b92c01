"""The container: one safetensors file with a manifest and a checksum."""

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any
from uuid import uuid4

from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex.persistence._refusal import Refusal
from sklearn_kmex.utils import check_dependency
from sklearn_kmex.utils._show_versions import installed_versions

SCHEMA = 2  # increased when earlier versions cannot read new files
NAME = "sklearn_kmex"  # key of the manifest in the metadata of the file
PREFIX = 8  # bytes that hold the length of the header


def read_header(raw: bytes) -> tuple[dict[str, Any], int]:
    """Return the header of a safetensors file, and the position of its data."""
    start = PREFIX + int.from_bytes(raw[:PREFIX], "little")
    text = raw[PREFIX:start]
    if not text.rstrip(b" ").endswith(b"}"):
        raise Refusal("its header is incomplete")
    return json.loads(text), start


def digest(raw: bytes) -> str:
    """Hash a file without the hash that it contains."""
    header, start = read_header(raw)
    header["__metadata__"] = {NAME: header["__metadata__"][NAME]}
    hashed = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    hashed.update(memoryview(raw)[start:])
    return hashed.hexdigest()


def read_archive(raw: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Check a file, and return its manifest and its tensors as bytes."""
    safetensors = check_dependency("safetensors", caller="load_psem", extra="persist")
    tensors = dict(safetensors.deserialize(raw))
    header, _ = read_header(raw)
    metadata = header.get("__metadata__", {})
    if set(metadata) != {NAME, "sha256"}:
        raise Refusal("it was not written by save_psem")
    if metadata["sha256"] != digest(raw):
        raise Refusal("its content does not match its checksum")
    return json.loads(metadata[NAME]), tensors


def write_atomically(path: Path, raw: bytes) -> None:
    """Write a temporary file in the same folder, then rename it to `path`.

    The permissions of a file that is replaced stay, and the temporary file never has
    more than these.
    """
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else None
    part = path.with_name(f"{path.name}.{uuid4().hex}.part")
    try:
        with open(part, "xb", opener=None if mode is None else _open_private) as file:
            if mode is not None:
                part.chmod(mode)
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def make_manifest(psem: Any, module: Any) -> dict[str, Any]:
    """Describe a model: versions, parameters, sizes and the class of its encoder."""
    kmex = find_sem(psem)
    return {
        "schema": SCHEMA,
        "versions": installed_versions(),
        "parameters": {k: repr(v) for k, v in kmex.get_params(deep=False).items()},
        "classes": [str(label) for label in kmex.classes_],
        "prototypes": list(kmex.prototypes_.shape),
        "module": None if module is None else type(module).__qualname__,
    }


def check_manifest(manifest: dict[str, Any]) -> None:
    """Refuse a file of a later schema, or of none."""
    schema = manifest["schema"]
    if not isinstance(schema, int) or schema < 1:
        raise Refusal(f"its schema is {schema!r}")
    if schema > SCHEMA:
        made = manifest["versions"].get("sklearn-kmex")
        raise Refusal(
            f"its schema {schema} is newer than {SCHEMA}, the latest that this version "
            "reads",
            f"Upgrade sklearn-kmex to {made}, which wrote the file.",
        )

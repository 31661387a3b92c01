"""Files of arrays in a folder, known by their hashes."""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BESIDE = Path(__file__).parents[4] / "shared" / "data"


class Copy(NamedTuple):
    """A file of arrays; `suffix` is what the names of its images and labels lack."""

    file: str
    sha256: str | None = None
    suffix: str = ""


def find_folder() -> Path:
    """Return the folder of SKLEARN_KMEX_DATA, or `shared/data` beside the checkout."""
    return Path(os.environ.get("SKLEARN_KMEX_DATA", BESIDE))


def read(folder: Path, copies: tuple[Copy, ...]) -> dict[str, NDArray]:
    """Read the arrays of all files, after a look at their hashes."""
    arrays = {}
    for copy in copies:
        check(folder / copy.file, copy.sha256)
        with np.load(folder / copy.file, allow_pickle=False) as archive:
            for name in archive.files:
                key = name + copy.suffix if name in ("x", "y") else name
                arrays[key] = archive[name]
    arrays.pop("file_index", None)  # of the source, and not the same for both splits
    return arrays


def check(path: Path, sha256: str | None) -> None:
    """Refuse a file that is not what its name says."""
    if sha256 is None:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise ValueError(
            f"{path} has the sha256 {found}, not {sha256}; replace or remove it."
        )


def save(path: Path, arrays: dict[str, NDArray]) -> None:
    """Write arrays whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part.npz")
    np.savez_compressed(unfinished, allow_pickle=False, **arrays)
    unfinished.replace(path)

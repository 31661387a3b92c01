"""Paths of files to read and to write."""

import os
from pathlib import Path
from typing import Any


def as_path(path: Any) -> Path:
    """Convert a path to a `Path`; refuse anything else."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(
            f"path must be a str or os.PathLike; got {path!r} of type "
            f"{type(path).__name__}."
        )
    return Path(path)


def path_to_write(path: Any) -> Path:
    """Convert a path to a `Path`, and check that a file can be created there."""
    path = as_path(path)
    if path.is_dir():
        raise IsADirectoryError(f"path must name a file; {str(path)!r} is a folder.")
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"path must be in a folder that exists; got {str(path)!r}. Create the "
            f"folder {str(path.parent)!r} first."
        )
    return path

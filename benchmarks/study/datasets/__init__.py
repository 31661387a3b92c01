"""Image sets of the paper: read from a folder, or downloaded into it on demand."""

from study.datasets._fetch import IMAGE_SETS, fetch
from study.datasets._files import find_folder

__all__ = ["IMAGE_SETS", "fetch", "find_folder"]

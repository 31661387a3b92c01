"""Errors of files that cannot be loaded, raised as `ModelFileError`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sklearn_kmex.exceptions import MissingDependencyError, ModelFileError


class Refusal(Exception):
    """What is wrong with a file, and how to solve it."""

    def __init__(
        self,
        reason: str,
        remedy: str = "Save the model again, or copy the file again.",
    ) -> None:
        super().__init__(reason)
        self.remedy = remedy


@contextmanager
def one_error(path: Path) -> Iterator[None]:
    """Turn any error that a file causes into a `ModelFileError`."""
    start = f"{path.name} cannot be loaded: "
    try:
        yield
    except MissingDependencyError:
        raise
    except Refusal as refusal:
        raise ModelFileError(f"{start}{refusal}. {refusal.remedy}") from refusal
    except Exception as error:
        wrapped = Refusal(f"reading it failed with {type(error).__name__}: {error}")
        raise ModelFileError(f"{start}{wrapped}. {wrapped.remedy}") from error

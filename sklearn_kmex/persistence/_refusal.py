"""Why a file is not loaded, as the one error that a caller sees."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sklearn_kmex.exceptions import MissingDependencyError, ModelFileError


class Refusal(Exception):
    """What is wrong with a file, and what to do about it."""

    def __init__(
        self,
        reason: str,
        remedy: str = "Save the model again, or fetch the file anew.",
    ) -> None:
        super().__init__(reason)
        self.remedy = remedy


@contextmanager
def one_error(path: Path) -> Iterator[None]:
    """Turn whatever a file makes go wrong into a `ModelFileError`."""
    begin = f"{path.name} cannot be loaded: "
    try:
        yield
    except MissingDependencyError:
        raise
    except Refusal as refusal:
        raise ModelFileError(f"{begin}{refusal}. {refusal.remedy}") from refusal
    except Exception as error:
        told = Refusal(f"reading it failed with {type(error).__name__}: {error}")
        raise ModelFileError(f"{begin}{told}. {told.remedy}") from error

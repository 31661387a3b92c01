"""Errors of files that cannot be loaded, raised as `ModelFileError`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sklearn_kmex._draw.table import printable
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
    """Turn any error that a file causes into a `ModelFileError`.

    Its traceback ends here: messages of other errors may contain text of the file.
    """
    try:
        yield
    except MissingDependencyError:
        raise
    except Refusal as refusal:
        found = refusal
    except Exception as error:
        found = Refusal(f"reading it failed with {type(error).__name__}: {error}")
    else:
        return
    reason = f"{path.name} cannot be loaded: {printable(found).removesuffix('.')}."
    raise ModelFileError(f"{reason} {printable(found.remedy)}") from None

"""A file that only one call at a time may hold, released if its process dies."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

if sys.platform == "win32":
    import msvcrt

    def _lock(file: BinaryIO) -> None:
        """Lock a byte that is never written, or raise an OSError."""
        file.seek(2**30)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: BinaryIO) -> None:
        """Lock a file, or raise an OSError."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def held_alone(path: Path, busy: str) -> Iterator[None]:
    """Create and hold a file, and remove it after a block without an error.

    Parameters
    ----------
    path : Path
        The file.

    busy : str
        Message of the error.

    Raises
    ------
    BlockingIOError
        If another call holds the file.
    """
    with _held(path, busy):
        yield
        if sys.platform != "win32":
            path.unlink()  # before it is released
    if sys.platform == "win32":
        with suppress(PermissionError):  # another call holds it by now
            path.unlink(missing_ok=True)


def _held(path: Path, busy: str) -> BinaryIO:
    """Open and lock a file; if it was removed meanwhile, the one in its place."""
    while True:
        file = path.open("ab")
        try:
            _lock(file)
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except (BlockingIOError, PermissionError) as error:
            file.close()
            raise BlockingIOError(busy) from error
        file.close()

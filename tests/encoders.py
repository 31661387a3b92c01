"""Encoders that tell what they were asked; importable, so that they can be pickled."""

import multiprocessing
import os
from pathlib import Path

import numpy as np


class Logging:
    """Square roots; each row that it meets is a line of a file, from any process."""

    def __init__(self, log, weight=1.0):
        self.log = Path(log)
        self.weight = weight

    def __call__(self, X):
        with self.log.open("a") as file:
            file.writelines(f"{np.asarray(row).tobytes().hex()}\n" for row in X)
        return self.weight * np.sqrt(np.asarray(X))

    def rows_met(self):
        return self.log.read_text().split() if self.log.exists() else []


class Dying(Logging):
    """Ends its process, as a killed one ends, the first time it has met enough rows."""

    def __init__(self, log, enough):
        super().__init__(log)
        self.enough = enough

    def __call__(self, X):
        out = super().__call__(X)
        died = self.log.with_suffix(".died")
        if len(self.rows_met()) >= self.enough and not died.exists():
            died.touch()
            os._exit(9)
        return out


def run_in_process(function, *args):
    """Run a function in a process of its own; return how it ended."""
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=function, args=args)
    process.start()
    process.join()
    return process.exitcode

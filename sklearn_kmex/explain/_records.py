"""Arrays about samples, side by side: counted, sliced, written as JSON."""

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_consistent_length

from sklearn_kmex.explain._json import read_document, write_document

# Metadata of a field that holds for all samples, and is not sliced.
SHARED = {"shared": True}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Records:
    """Fields are arrays whose first axis is samples, or None, or SHARED."""

    sample_indices: NDArray[np.intp]

    def __post_init__(self) -> None:
        for f in fields(self):
            if f.default is MISSING and getattr(self, f.name) is None:
                raise ValueError(f"{f.name} must be given; got None")
        check_consistent_length(*self._of_samples().values())

    def _of_samples(self) -> dict[str, NDArray]:
        names = [f.name for f in fields(self) if not f.metadata.get("shared")]
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}

    def __len__(self) -> int:
        return len(self.sample_indices)

    def __getitem__(self, key: Any) -> Self:
        rows = np.atleast_1d(np.arange(len(self))[key])
        return replace(self, **{k: v[rows] for k, v in self._of_samples().items()})

    def __iter__(self) -> Iterator[Self]:
        return (self[row] for row in range(len(self)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(n_samples={len(self)})"

    def to_json(self) -> str:
        """Write all of it as JSON.

        Returns
        -------
        str
            A strict JSON object: `format`, the name of the class; `version`, 1; and
            `fields`, which holds each field by its name: null, a string, or an
            object of `dtype`, `shape` and `values`, nested lists in which "NaN",
            "Infinity" and "-Infinity" stand for what JSON has no numbers for.
        """
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return write_document(type(self).__name__, values)

    @classmethod
    def from_json(cls, document: str) -> Self:
        """Read what `to_json` wrote.

        Parameters
        ----------
        document : str
            The JSON.

        Returns
        -------
        Records
            An object of this class with equal arrays.

        Raises
        ------
        ValueError
            If it is not a document of this class and version.
        """
        names = [f.name for f in fields(cls)]
        return read_document(document, cls.__name__, names, build=cls)

"""Arrays as strict JSON, and back as they were."""

import json
from collections.abc import Callable, Mapping, Sequence
from math import isfinite, isnan
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

VERSION = 1
KINDS = "biufUO"


def write_document(name: str, fields: Mapping[str, Any]) -> str:
    """Write named arrays, strings and Nones."""
    encoded = {key: _encode(value) for key, value in fields.items()}
    head = {"format": f"sklearn_kmex.{name}", "version": VERSION}
    return json.dumps({**head, "fields": encoded}, allow_nan=False)


def read_document(
    document: str, name: str, fields: Sequence[str], build: Callable
) -> Any:
    """Read what `write_document` wrote, and build an object of it."""
    wanted = f"document must be JSON written by {name}.to_json"
    try:
        found = json.loads(document, parse_constant=_refuse)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{wanted}; it is no strict JSON: {error}.") from error
    head = ("format", "version")
    is_object = isinstance(found, dict)
    got = [found.get(key) for key in head] if is_object else type(found).__name__
    if got != [f"sklearn_kmex.{name}", VERSION]:
        raise ValueError(
            f"{wanted}, of format 'sklearn_kmex.{name}' and version {VERSION}; got "
            f"{got!r}."
        )
    values = found.get("fields")
    if not isinstance(values, dict) or set(values) != set(fields):
        listed = sorted(values) if isinstance(values, dict) else values
        raise ValueError(f"{wanted}, with the fields {sorted(fields)}; got {listed}.")
    try:
        return build(**{key: _decode(value) for key, value in values.items()})
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{wanted}; its arrays cannot be read: {error}.") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _encode(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    array = np.asarray(value)
    mixed = array.dtype == object
    scalars = [_scalar(one, mixed) for one in array.ravel().tolist()]
    dtype = "object" if mixed else array.dtype.str
    nested = np.empty(array.size, dtype=object)
    nested[:] = scalars
    values = nested.reshape(array.shape).tolist()
    return {"dtype": dtype, "shape": list(array.shape), "values": values}


def _scalar(value: Any, mixed: bool) -> Any:
    """Return a value that JSON has: among objects, null for NaN; or else as text."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and not isfinite(value):
        if mixed and isnan(value):
            return None
        return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"
    known = value is None or isinstance(value, bool | int | float | str)
    return value if known else str(value)


def _decode(value: Any) -> NDArray | str | None:
    if value is None or isinstance(value, str):
        return value
    dtype = np.dtype(value["dtype"])
    if dtype.kind not in KINDS:
        raise ValueError(f"dtype {dtype} is not of numbers, booleans or text")
    flat = np.array(value["values"], dtype=object)
    return flat.reshape(value["shape"]).astype(dtype)

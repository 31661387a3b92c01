"""Lists in messages, of which long ones are shortened."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

# Values that are shown of a longer list, and the longest list that is shown whole.
SHOWN, WHOLE = 5, 20


def brief(values: NDArray | Sequence[Any]) -> str:
    """Return a list as text: whole, or its first values and their number.

    >>> brief([0, 1, 2])
    '[0, 1, 2]'
    >>> brief(range(1000))
    '[0, 1, 2, 3, 4, ...] (1,000 in all)'
    """
    items = values.tolist() if hasattr(values, "tolist") else list(values)
    if not isinstance(items, list) or len(items) <= WHOLE:
        return str(items)
    first = ", ".join(map(repr, items[:SHOWN]))
    return f"[{first}, ...] ({len(items):,} in all)"

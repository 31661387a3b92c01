"""Names from users as harmless text, and numbers and lists in sentences."""

import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from sklearn_kmex._draw.table import clipped, shown_value

LONGEST = 120
# Characters that change the direction of the text after them.
BIDIRECTIONAL = {0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}


def as_text(value: Any) -> str:
    """Return a value as one line of text, with invisible characters written out."""
    line = " ".join(str(value).split())
    return "".join(one if is_visible(one) else f"[U+{ord(one):04X}]" for one in line)


def is_visible(character: str) -> bool:
    kind = unicodedata.category(character)
    return kind not in ("Cc", "Cs") and ord(character) not in BIDIRECTIONAL


def as_name(value: Any) -> str:
    """Return a value as a name of limited length."""
    return clipped(as_text(value), LONGEST)


def distinct(names: Iterable[str]) -> list[str]:
    """Append its place to each name that occurs more than once."""
    some = list(names)
    counts = Counter(some)
    return [
        f"{name} [{place}]" if counts[name] > 1 else name
        for place, name in enumerate(some)
    ]


def as_number(value: Any) -> float | None:
    """Return a finite number as float, or None."""
    return float(value) if np.isfinite(value) else None


def as_cell(value: Any) -> str:
    """Return a value as short text for a table."""
    return clipped(as_text(shown_value(value)), 40)


def percent(share: float | None) -> str:
    """Return a share as per cent; only 0 and 1 are given as 0 % and 100 %."""
    if share is None:
        return "unknown"
    digits = 0 if share in (0, 1) else 1
    rounded = f"{100 * share:.{digits}f}"
    if digits and rounded in ("0.0", "100.0"):
        return "below 0.1 %" if share < 0.5 else "above 99.9 %"
    return f"{rounded} %"


def points(difference: float) -> str:
    """Return a difference of shares in percentage points, with its sign."""
    text = f"{100 * difference:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def interval(estimate: dict[str, Any]) -> str:
    """Return the ends of the confidence interval of a share as text."""
    return f"{percent(estimate['low'])} to {percent(estimate['high'])}"


def hits(estimate: dict[str, Any]) -> str:
    """Return the number of samples behind a share as text."""
    return f"{round(estimate['value'] * estimate['n']):,}"


def counted(number: int, what: str) -> str:
    """Return a number and a noun, in the plural unless the number is 1."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def are(number: int, what: str) -> str:
    """Return a number, a noun, and "is" or "are"."""
    return f"{counted(number, what)} {'is' if number == 1 else 'are'}"


def listed(names: Iterable[Any], most: int = 5) -> str:
    """Return a list of names as text, abbreviated after some."""
    some = [str(name) for name in names]
    more = f" and {len(some) - most} more" if len(some) > most else ""
    return ", ".join(some[:most]) + more

"""Characters as readers see them: letters with their marks, and emoji of several parts.

A simple form of the boundaries of Unicode Standard Annex 29.
"""

import unicodedata

JOINER = "\u200d"


def whole_graphemes(text: str, start: int, end: int) -> tuple[int, int]:
    """Extend a span, so that it cuts no character as readers see it."""
    while start > 0 and start < len(text) and _continues(text, start):
        start -= 1
    while end < len(text) and _continues(text, end):
        end += 1
    return start, end


def _continues(text: str, place: int) -> bool:
    """Tell whether a character belongs to the one before it."""
    here, before = text[place], text[place - 1]
    if here.isascii():
        return here == "\n" and before == "\r"
    if here == JOINER or unicodedata.category(here).startswith("M"):
        return not before.isspace()
    if "\U0001f3fb" <= here <= "\U0001f3ff" or "\U000e0020" <= here <= "\U000e007f":
        return True  # skin tones and tags
    if before == JOINER:
        return unicodedata.category(here) == "So"
    return _is_regional(here) and _n_regional(text, place) % 2 == 1


def _n_regional(text: str, place: int) -> int:
    """Count the letters of flags before a place."""
    start = place
    while start > 0 and _is_regional(text[start - 1]):
        start -= 1
    return place - start


def _is_regional(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"

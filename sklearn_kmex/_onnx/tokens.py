"""Tokens of text: their pattern, the words of a vocabulary, and capital letters."""

import math
import re
import sys
from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any

from sklearn_kmex._onnx.graph import NoConverter

# Classes of Python in the syntax of RE2, which knows only those of ASCII.
CLASSES = {
    r"\w": r"\p{L}\p{N}_",
    r"\d": r"\p{Nd}",
    r"\s": r"\s\v\x1c-\x1f\x85\p{Z}",
}
# Sets of letters, which exclude what is not a word.
LETTERS = {
    r"[^\W_]": r"[\p{L}\p{N}]",
    r"[^\W\d_]": r"[\p{L}\p{Nl}\p{No}]",
    r"[^\d\W_]": r"[\p{L}\p{Nl}\p{No}]",
    r"[^\d\W]": r"[\p{L}\p{Nl}\p{No}_]",
    r"[^\W\d]": r"[\p{L}\p{Nl}\p{No}_]",
}
OF_LETTERS = "|".join(map(re.escape, LETTERS))
QUANTIFIER = r"(?:[+*?]|\{\d+(?:,\d*)?\})?"
# One character: of a class, of a set, an escaped sign, or itself.
CHARACTER = (
    rf"(?:\\[wdsWDS]|{OF_LETTERS}|\[\^?(?:\\[wds]|\\[^\w\s]|[^\\\[\]^])+\]"
    r"|\\[^\w\s]|[^\\\[\]^$.|?*+(){}])"
)
# The same, of letters and digits alone, so that no word ends inside a match.
LETTER = rf"(?:\\[wd]|{OF_LETTERS}|\[(?:\\[wd]|a-z|A-Z|0-9|\w)+\]|\w)"
# The only letter whose lower case is two characters, i and a dot, which ends a word.
DOTTED, DOT = "\u0130", "\u0307"
DOTLESS = rf"(?:[^\P{{L}}{DOTTED}]|[\p{{N}}_])"  # any other character of a word
WHOLE_WORD = r"(?:\\b)?(?:\\w)*\\w(?:\+|\{\d+,\})(?:\\b)?"
MAX_SPELLINGS = 64
PLAIN = {
    "analyzer": "word",
    "input": "content",
    "preprocessor": None,
    "strip_accents": None,
    "tokenizer": None,
}


def pattern_of(step: Any) -> str:
    """Return the pattern of tokens in the syntax of RE2.

    In texts in which only letters of ASCII are in lower case, a word ends after DOTTED.
    """
    _check_plain(step)
    least = least_length(step)
    if least:
        letter = DOTLESS if step.lowercase else _translated(r"\w")
        last = f"(?:{DOTTED}|{letter})" if step.lowercase else letter
        return f"{letter}{{{least - 1},}}{last}"
    pattern = step.token_pattern.removeprefix("(?u)")
    if not re.fullmatch(rf"(?:{CHARACTER}{QUANTIFIER})+", pattern):
        raise no_text(
            step,
            f"token_pattern={step.token_pattern!r}",
            r"Use characters and sets of them, without groups, alternatives and \b, as "
            r"in '\w+', or",
        )
    # Letters beyond ASCII are still in upper case.
    any_case = "(?i)" if step.lowercase and not pattern.isascii() else ""
    return any_case + _translated(pattern)


def least_length(step: Any) -> int:
    """Return how many letters a token has at least, if tokens are words; 0 if not.

    Without n-grams, whole words may be matched instead of some of them: those that are
    no tokens are in no vocabulary.
    """
    pattern = step.token_pattern.removeprefix("(?u)")
    of_letters = rf"\\b(?:{LETTER}{QUANTIFIER})+\\b"
    if re.fullmatch(WHOLE_WORD, pattern):
        counted = re.search(r"\{(\d+),\}", pattern)
        return pattern.count(r"\w") - 1 + max(1, int(counted[1]) if counted else 1)
    return int(step.ngram_range[1] == 1 and bool(re.fullmatch(of_letters, pattern)))


def _check_plain(step: Any) -> None:
    """Raise an error if code or accents are needed to split text."""
    for name, plain in PLAIN.items():
        value = getattr(step, name)
        if value != plain:
            raise no_text(step, f"{name}={value!r}", f"Use {name}={plain!r}, or")


def _translated(pattern: str) -> str:
    """Replace the classes of Python, in sets and outside of them."""

    def translate(match: re.Match) -> str:
        text = LETTERS.get(match[0], match[0])
        for name, members in CLASSES.items():
            if text.startswith("["):
                text = text.replace(name, members)
            elif text.lower() == name:
                text = f"[{'^' if text[1].isupper() else ''}{members}]"
        return text

    return re.sub(CHARACTER, translate, pattern)


def no_text(step: Any, what: str, remedy: str) -> NoConverter:
    return NoConverter(
        "Text must be split into words by a plain token_pattern to be exported; got "
        f"{type(step).__name__} with {what}. {remedy} vectorize the text before, and "
        "export the steps after it."
    )


def grams_of(step: Any) -> list[tuple[str, ...]]:
    """Split each term of the vocabulary into its tokens, in the order of columns."""
    terms = sorted(step.vocabulary_, key=step.vocabulary_.get)
    least, most = step.ngram_range
    if most == 1:
        return [(term,) for term in terms]
    grams = [tuple(term.split(" ")) for term in terms]
    wrong = [
        t for t, g in zip(terms, grams, strict=True) if not least <= len(g) <= most
    ]
    if wrong or "" in {token for gram in grams for token in gram}:
        raise no_text(
            step,
            f"a term whose tokens are not clear ({(wrong or terms)[0]!r})",
            "Use a token_pattern that matches no spaces, or",
        )
    return grams


def spellings(token: str, words: bool) -> Iterator[str]:
    """Yield the spellings of a token whose letters of ASCII are in lower case.

    Those with other letters in upper case are yielded if there are not too many, else
    the token in lower case, with a first capital and in capitals. In `words`, the dot
    of the lower case of "\u0130" is no part of a token.
    """
    yield token
    letters = re.findall(f"i{DOT}|.", token, re.DOTALL)
    choices = [(letter, *capitals().get(letter, ())) for letter in letters]
    if words and letters[-1] == "i":
        choices[-1] += (DOTTED,)
    n_spellings = math.prod(map(len, choices))
    if n_spellings == 1:
        return
    found = {_lower_ascii(token.title()), _lower_ascii(token.upper())}
    if n_spellings <= MAX_SPELLINGS:
        found.update("".join(spelled) for spelled in product(*choices))
    ends = (token, token + DOT) if words else (token,)
    yield from sorted(text for text in found - {token} if text.lower() in ends)


def _lower_ascii(text: str) -> str:
    return "".join(c.lower() if c.isascii() else c for c in text)


@cache
def capitals() -> dict[str, list[str]]:
    """Map letters beyond ASCII to the capitals whose lower case they are."""
    found: dict[str, list[str]] = {}
    for capital in map(chr, range(128, sys.maxunicode + 1)):
        lower = capital.lower()
        if lower != capital:
            found.setdefault(lower, []).append(capital)
    return found

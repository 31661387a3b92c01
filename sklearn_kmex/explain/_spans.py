"""Where the words of a text are, and where the terms of a vectorizer come from."""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from difflib import SequenceMatcher
from itertools import accumulate
from typing import Any, NamedTuple

from sklearn_kmex._draw.graphemes import whole_graphemes

Span = tuple[int, int]  # start and end, in characters

SPACES = re.compile(r"\s\s+")
# Scripts that are written without spaces: each character is a word.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
LETTERS = rf"(?:(?![{UNSPACED}])\w)+"
WORD = re.compile(rf"[{UNSPACED}]|{LETTERS}(?:['\u2019]{LETTERS})*|[^\w\s]")
PART = re.compile(r"\w+|\W")
MOST_COMPARED = 2**22  # pairs of parts


class Reading(NamedTuple):
    """Terms of a text, with the spans of each occurrence."""

    terms: dict[Any, list[list[Span]]]  # an occurrence without spans is not located
    tokens: list[Span]
    of_characters: bool = False


class Reader:
    """Finds the terms of a vectorizer in texts.

    Parameters
    ----------
    vectorizer : CountVectorizer or HashingVectorizer
        The fitted vectorizer.
    """

    def __init__(self, vectorizer: Any) -> None:
        self.vectorizer = vectorizer
        self.analyze = vectorizer.build_analyzer()
        self.stop_words = vectorizer.get_stop_words() or ()

    def read(self, text: str) -> Reading:
        """Find the terms of a text; those that are not located have no spans."""
        names = list(self.analyze(text))
        analyzer = self.vectorizer.analyzer
        if callable(analyzer):
            spans = located(names, text)
            tokens = [span for some in spans for span in some]
            reading = Reading(_grouped(zip(names, spans, strict=True)), tokens)
        elif analyzer == "word":
            reading = self._read_words(text)
        else:
            reading = Reading(_grouped(self._characters(text)), [], True)
        counts = {name: len(some) for name, some in reading.terms.items()}
        if counts != Counter(names):  # a subclass may have terms of its own
            return Reading(_grouped((name, []) for name in names), [])
        return reading

    def _read_words(self, text: str) -> Reading:
        processed, origin = self._process(text)
        found = [
            (token, taken_back(spans, origin))
            for token, spans in self._tokens(processed)
            if token not in self.stop_words
        ]
        shortest, longest = self.vectorizer.ngram_range
        grams: Iterable[tuple[str, list[Span]]] = (
            (" ".join(token for token, _ in some), [s for _, own in some for s in own])
            for n in range(shortest, min(longest, len(found)) + 1)
            for some in (found[i : i + n] for i in range(len(found) - n + 1))
        )
        if longest == 1:
            grams = found
        return Reading(_grouped(grams), [span for _, own in found for span in own])

    def _tokens(self, processed: str) -> list[tuple[str, list[Span]]]:
        if self.vectorizer.tokenizer is not None:
            tokens = list(self.vectorizer.tokenizer(processed))
            return list(zip(tokens, located(tokens, processed), strict=True))
        pattern = re.compile(self.vectorizer.token_pattern)
        group = pattern.groups
        matches = pattern.finditer(processed)
        return [(match.group(group), [match.span(group)]) for match in matches]

    def _characters(self, text: str) -> Iterator[tuple[str, list[Span]]]:
        processed, origin = self._process(text)
        single, kept = _with_single_spaces(processed)
        origin = [origin[place] for place in kept]
        by_word = self.vectorizer.analyzer == "char_wb"
        grams = _grams_in_words if by_word else _grams
        for gram, span in grams(single, *self.vectorizer.ngram_range):
            yield gram, taken_back([span], origin)

    def _process(self, text: str) -> tuple[str, list[Span]]:
        """Preprocess a text; return it, and the origin of each of its characters."""
        preprocess = self.vectorizer.build_preprocessor()
        processed = preprocess(text)
        is_ours = self.vectorizer.preprocessor is None
        return processed, trace(text, processed, preprocess if is_ours else None)


def trace(
    text: str, processed: str, function: Callable[[str], str] | None = None
) -> list[Span]:
    """Find the part of a text that each character of the processed text comes from.

    `function` is one that processes each character on its own.
    """
    if text.isascii() and len(text) == len(processed):
        return [(place, place + 1) for place in range(len(text))]
    if function is not None:
        lengths = [len(function(character)) for character in text]
        if sum(lengths) == len(processed):
            places = enumerate(lengths)
            return [(place, place + 1) for place, n in places for _ in range(n)]
    parts = [PART.findall(one) for one in (text, processed)]
    if len(parts[0]) * len(parts[1]) > MOST_COMPARED:
        return [(0, 0)] * len(processed)
    return _compared(*parts)


def taken_back(spans: list[Span], origin: list[Span]) -> list[Span]:
    """Map spans of a processed text to that of the user, without inserted ones."""
    places = (
        [one for one in origin[start:end] if one[0] < one[1]] for start, end in spans
    )
    return [(some[0][0], some[-1][1]) for some in places if some]


def _compared(text: list[str], processed: list[str]) -> list[Span]:
    """Find where characters come from by the parts that two texts have in common.

    Of parts that differ, the characters are compared.
    """
    starts = [0, *accumulate(map(len, text))]
    a, b = ([part.casefold() for part in parts] for parts in (text, processed))
    are_characters = max(map(len, text), default=0) == 1
    origin: list[Span] = []
    changes = SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
    for kind, start, end, first, last in changes:
        ours, theirs = "".join(text[start:end]), "".join(processed[first:last])
        found = [(0, len(ours))] * len(theirs)
        if kind == "equal" and len(ours) == len(theirs):
            found = [(place, place + 1) for place in range(len(ours))]
        elif kind == "replace" and not are_characters:
            found = _compared(list(ours), list(theirs))
        here = starts[start]
        origin += [(here + one, here + other) for one, other in found]
    return origin


def located(names: list[Any], text: str) -> list[list[Span]]:
    """Find names one after the other, whole words first; no span if there is none."""
    found, place = [], 0
    for name in names:
        match = None
        if isinstance(name, str) and name:
            end = r"\w*" if name[-1].isalnum() else ""
            word = re.compile(rf"(?<!\w){re.escape(name)}{end}", re.IGNORECASE)
            part = re.compile(re.escape(name), re.IGNORECASE)
            match = word.search(text, place) or part.search(text, place)
            match = match or word.search(text) or part.search(text)
        found.append([] if match is None else [match.span()])
        place = place if match is None else max(place, match.end())
    return found


def words_in(text: str) -> list[Span]:
    """Find the words of a text, its punctuation and its symbols."""
    return merged([match.span() for match in WORD.finditer(_with_marks(text))], text)


def _with_marks(text: str) -> str:
    """Replace marks that are combined with letters by letters."""
    if text.isascii():
        return text
    return "".join(
        "a" if unicodedata.category(one).startswith("M") and one < "\ufe00" else one
        for one in text
    )


def merged(spans: Iterable[Span], text: str) -> list[Span]:
    """Sort spans, extend them to whole graphemes, and merge those that overlap."""
    found: list[Span] = []
    for start, end in sorted(set(spans)):
        if start >= end:
            continue
        start, end = whole_graphemes(text, start, end)
        if found and start < found[-1][1]:
            start, end = found[-1][0], max(end, found.pop()[1])
        found.append((start, end))
    return found


def without(spans: list[Span], words: list[Span]) -> list[Span]:
    """Keep the spans that overlap none of the words, which are in order."""
    return [span for span in spans if not overlapping(span, words)]


def overlapping(span: Span, words: list[Span]) -> range:
    """Find the words that a span overlaps; these are in order."""
    start, end = span
    if start >= end:
        return range(0)
    first = bisect_right(words, start, key=lambda word: word[1])
    return range(first, bisect_left(words, end, key=lambda word: word[0]))


def _grouped(found: Iterable[tuple[Any, list[Span]]]) -> dict[Any, list[list[Span]]]:
    """List the occurrences of each term."""
    terms: dict[Any, list[list[Span]]] = {}
    for name, spans in found:
        terms.setdefault(name, []).append(spans)
    return terms


def _with_single_spaces(text: str) -> tuple[str, list[int]]:
    """Replace white space by one space; return the places of what is kept."""
    kept, pieces, place = [], [], 0
    for match in SPACES.finditer(text):
        kept += [*range(place, match.start()), match.start()]
        pieces += [text[place : match.start()], " "]
        place = match.end()
    return "".join([*pieces, text[place:]]), [*kept, *range(place, len(text))]


def _grams(text: str, shortest: int, longest: int) -> Iterator[tuple[str, Span]]:
    for n in range(shortest, min(longest, len(text)) + 1):
        for i in range(len(text) - n + 1):
            yield text[i : i + n], (i, i + n)


def _grams_in_words(
    text: str, shortest: int, longest: int
) -> Iterator[tuple[str, Span]]:
    """Yield n-grams of each word between two spaces; a short word is one of them."""
    for match in re.finditer(r"\S+", text):
        start, end = match.start() - 1, match.end()
        padded = f" {match.group()} "
        for n in range(shortest, longest + 1):
            for i in range(max(len(padded) - n, 0) + 1):
                span = max(start + i, start + 1), min(start + i + n, end)
                yield padded[i : i + n], span
            if len(padded) <= n:
                break

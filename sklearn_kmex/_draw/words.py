"""Texts with their words marked: as HTML, as a figure, and in one line.

Blue words with a solid underline support, orange words with a wavy one oppose: the two
differ for people with color vision deficiency, and in print without colors.
"""

import re
import unicodedata
from collections.abc import Iterator
from html import escape
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._draw.figures import PREDICTED, RUNNER_UP
from sklearn_kmex._draw.graphemes import whole_graphemes
from sklearn_kmex._draw.table import Table, clipped

LONG = 400  # characters from which on a text is folded
SHOWN = 240  # characters of a text that is folded
FAINT = 0.1  # share of the largest relevance; fainter words are not marked
N_LISTED = 3  # words for and against in a line
SAID, NOT_SAID = "said", "not said"
LEGEND = (
    "Blue words with a straight underline support the class, orange ones with a wavy "
    "underline oppose it."
)
# Characters that reverse the text after them.
REVERSING = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}
WORD_STYLE = """<style>
bdi.kmex-text { display: block; max-width: 46em; overflow-wrap: anywhere;
  line-height: 1.6; text-align: start; white-space: pre-wrap; }
.kmex-text span { border-radius: 0.2em; text-decoration-line: underline;
  text-decoration-skip-ink: none; text-underline-offset: 0.15em;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.kmex-text .kmex-for { text-decoration-style: solid; }
.kmex-text .kmex-against { text-decoration-style: wavy; }
.kmex-text .kmex-strong { font-weight: 700; }
.kmex-listed { font-size: 0.85em; opacity: 0.85; }
.kmex-whole > summary { cursor: pointer; font-size: 0.85em; }
</style>"""


class MarkedText(NamedTuple):
    """A text, what its words add to a score, and what words add that it lacks."""

    text: str
    spans: Any = ()  # (n_words, 2), in order
    relevance: Any = ()  # (n_words,)
    absent: dict[str, float] | None = None
    label: str = ""  # class that positive values support

    def __str__(self) -> str:
        return line_of(self) or self.text


class Piece(NamedTuple):
    """A part of a text, and its relevance: 0 if it is not marked."""

    text: str
    size: float = 0.0


class ExplainedTexts(Protocol):
    """What is shown of an explanation of texts."""

    @property
    def samples(self) -> NDArray | None: ...
    @property
    def examples(self) -> NDArray | None: ...  # a row for each of example_prototypes
    @property
    def example_prototypes(self) -> NDArray[np.intp] | None: ...
    @property
    def members(self) -> NDArray[np.intp] | None: ...  # -1 is none
    @property
    def member_samples(self) -> NDArray | None: ...
    @property
    def words(self) -> Any: ...  # a WordsLike, or None
    @property
    def example_words(self) -> Any: ...
    @property
    def member_words(self) -> NDArray | None: ...


class WordsLike(Protocol):
    """What is shown of words; arrays have a row for each text."""

    @property
    def sample_indices(self) -> NDArray[np.intp]: ...
    @property
    def texts(self) -> NDArray[np.object_]: ...
    @property
    def spans(self) -> NDArray[np.object_]: ...
    @property
    def relevance(self) -> NDArray[np.object_]: ...
    @property
    def absent(self) -> NDArray[np.object_]: ...
    @property
    def labels(self) -> NDArray: ...
    @property
    def against(self) -> NDArray: ...
    @property
    def score(self) -> NDArray[np.float64]: ...
    @property
    def target(self) -> str: ...
    @property
    def method(self) -> str: ...
    def __len__(self) -> int: ...
    def __getitem__(self, key: slice) -> Self: ...


def marked_of(words: WordsLike, row: int) -> MarkedText:
    """Return a text with its words."""
    return MarkedText(
        words.texts[row],
        words.spans[row],
        words.relevance[row],
        words.absent[row],
        str(words.labels[row]),
    )


def holds_texts(explanation: ExplainedTexts) -> bool:
    """Tell whether samples are texts."""
    samples = explanation.samples
    return samples is not None and samples.dtype == object


def sample_text(explanation: ExplainedTexts, row: int) -> MarkedText | None:
    """Return a sample that is a text."""
    if not holds_texts(explanation) or explanation.samples is None:
        return None
    if explanation.words is None:
        return MarkedText(explanation.samples[row])
    return marked_of(explanation.words, row)


def example_text(explanation: ExplainedTexts, prototype: int) -> MarkedText | None:
    """Return the training text that represents a prototype, if it is known."""
    known, examples = explanation.example_prototypes, explanation.examples
    if known is None or examples is None or examples.dtype != object:
        return None
    place = int(np.searchsorted(known, prototype))
    if explanation.example_words is None:
        return MarkedText(examples[place])
    return marked_of(explanation.example_words, place)


def member_texts(explanation: ExplainedTexts, row: int) -> list[MarkedText]:
    """List the members most like a sample that are texts."""
    members, texts = explanation.members, explanation.member_samples
    if members is None or texts is None or texts.dtype != object:
        return []
    known = np.flatnonzero(members[row] >= 0).tolist()
    if explanation.member_words is None:
        return [MarkedText(texts[row, n]) for n in known]
    return [marked_of(explanation.member_words[row], n) for n in known]


def html_words(marked: MarkedText) -> str:
    """Write a text with its words marked.

    A long one is folded around its most relevant part.
    """
    if not marked.text.strip():
        return f'<span class="kmex-listed">(empty text)</span> {html_list(marked)}'
    listed = html_list(marked)
    if len(marked.text) <= LONG:
        return _html_text(marked, 0, len(marked.text)) + listed
    start, end = most_relevant_part(marked)
    whole = _html_text(marked, 0, len(marked.text))
    return (
        f"{_html_text(marked, start, end)}{listed}"
        f'<details class="kmex-whole"><summary>Whole text, {len(marked.text):,} '
        f"characters</summary>{whole}</details>"
    )


def html_part(marked: MarkedText, length: int) -> str:
    """Write the most relevant part of a text with its words marked."""
    return _html_text(marked, *most_relevant_part(marked, length))


def html_list(marked: MarkedText) -> str:
    """List the most relevant words with their numbers, also for screen readers."""
    parts = "; ".join(
        f"{name}: {', '.join(_html_size(*one) for one in some)}"
        for name, some in listed_words(marked)
    )
    return f'<span class="kmex-listed">{parts}</span>' if parts else ""


def _html_size(word: str, size: float) -> str:
    return f"<bdi>{_html(quoted(word))}</bdi> {size:+.2g}"


def quoted(word: str) -> str:
    """Write a word in quotation marks, clipped."""
    return f"\u201c{clipped(word, 40)}\u201d"


def listed_words(
    marked: MarkedText, most: int = N_LISTED
) -> list[tuple[str, list[tuple[str, float]]]]:
    """Name the words that add most for, against, and by their absence."""
    sizes, absent = sizes_of(marked), marked.absent or {}
    least = FAINT * max(map(abs, [*sizes.values(), *absent.values()]), default=0.0)
    groups = [
        ("for", {word: size for word, size in sizes.items() if size > least}),
        ("against", {word: size for word, size in sizes.items() if size < -least}),
        (NOT_SAID, {word: size for word, size in absent.items() if abs(size) > least}),
    ]
    return [
        (name, sorted(some.items(), key=lambda item: -abs(item[1]))[:most])
        for name, some in groups
        if some
    ]


def sizes_of(marked: MarkedText) -> dict[str, float]:
    """Sum what each word adds, whatever its case, under its first spelling."""
    spellings: dict[str, str] = {}
    sizes: dict[str, float] = {}
    for (start, end), size in zip(marked.spans, marked.relevance, strict=True):
        word = marked.text[start:end]
        word = spellings.setdefault(word.casefold(), word)
        sizes[word] = sizes.get(word, 0.0) + float(size)
    return sizes


def line_of(marked: MarkedText) -> str:
    """Write the most relevant words in one line."""
    return "; ".join(
        f"{name}: {', '.join(f'{quoted(word)} {size:+.2g}' for word, size in some)}"
        for name, some in listed_words(marked)
    )


def reason_of(label: Any, marked: MarkedText, n_words: int) -> str:
    """Name the words of a text that add most for and against a class."""
    found = {
        name: joined([quoted(word) for word, _ in some])
        for name, some in listed_words(marked, n_words)
    }
    parts = []
    if "for" in found:
        parts.append(f"similar to {label} in {found['for']}")
    if "against" in found:
        unlike = "unlike it in" if parts else f"unlike {label} in"
        parts.append(f"{unlike} {found['against']}")
    if NOT_SAID in found:
        parts.append(f"{NOT_SAID}: {found[NOT_SAID]}")
    return ", ".join(parts) or "no word decides"


def joined(words: list[str]) -> str:
    """List words as in a sentence."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def most_relevant_part(marked: MarkedText, length: int = SHOWN) -> tuple[int, int]:
    """Find the part of a text with the largest sum of absolute relevance."""
    text, spans = marked.text, np.asarray(marked.spans, dtype=int).reshape(-1, 2)
    if len(text) <= length:
        return 0, len(text)
    sizes = np.concatenate([[0.0], np.abs(marked.relevance).cumsum()])
    start = 0
    if len(spans):
        last = np.searchsorted(spans[:, 1], spans[:, 0] + length, side="right")
        best = int((sizes[last] - sizes[:-1]).argmax())
        inside = max(int(spans[max(last[best] - 1, best), 1] - spans[best, 0]), 0)
        start = max(int(spans[best, 0]) - max(length - inside, 0) // 2, 0)
    start = min(start, len(text) - length)
    return _between_words(text, start, start + length)


def part_of(marked: MarkedText, length: int) -> MarkedText:
    """Keep the most relevant part of a text."""
    start, end = most_relevant_part(marked, length)
    if end - start == len(marked.text):
        return marked
    inside = [
        place
        for place, (first, last) in enumerate(marked.spans)
        if start <= first and last <= end
    ]
    before = "… " * (start > 0)
    text = before + marked.text[start:end] + " …" * (end < len(marked.text))
    spans = np.asarray(marked.spans)[inside] - start + len(before)
    return marked._replace(
        text=text, spans=spans, relevance=np.asarray(marked.relevance)[inside]
    )


def _between_words(text: str, start: int, end: int) -> tuple[int, int]:
    """Move the ends of a part to spaces nearby, and never into a grapheme."""
    if start > 0 and (space := re.search(r"\s", text[start : start + 30])):
        start += space.end()
    if end < len(text) and (
        space := re.search(r"\s\S*$", text[max(start, end - 30) : end])
    ):
        end = max(start, end - 30) + space.start()
    return whole_graphemes(text, start, end)


def pieces(marked: MarkedText, start: int, end: int) -> Iterator[Piece]:
    """Split a part of a text into its marked words and what is between them."""
    if start > 0:
        yield Piece("… ")
    least = FAINT * np.abs(marked.relevance).max(initial=0)
    place = start
    for (first, last), size in zip(marked.spans, marked.relevance, strict=True):
        if first < place or last > end or abs(size) <= least:
            continue
        yield Piece(marked.text[place:first])
        yield Piece(marked.text[first:last], float(size))
        place = int(last)
    yield Piece(marked.text[place:end])
    if end < len(marked.text):
        yield Piece(" …")


def _html_text(marked: MarkedText, start: int, end: int) -> str:
    largest = float(np.abs(marked.relevance).max(initial=0)) or 1.0
    parts = "".join(
        _html_piece(piece, piece.size / largest) for piece in pieces(marked, start, end)
    )
    return f'<bdi class="kmex-text" dir="auto">{parts}</bdi>'


def _html_piece(piece: Piece, share: float) -> str:
    if not share:
        return _html(piece.text)
    red, green, blue = (
        int(colour, 16) for colour in re.findall("..", colour_of(share)[1:])
    )
    kind = "for" if share > 0 else "against"
    strong = " kmex-strong" if abs(share) > 0.5 else ""
    thickness = 1 + round(2 * abs(share))
    style = (
        f"background: rgb({red} {green} {blue} / {round(60 * abs(share))}%); "
        f"text-decoration-thickness: {thickness}px"
    )
    return (
        f'<span class="kmex-{kind}{strong}" style="{style}" '
        f'title="{piece.size:+.3g}">{_html(piece.text)}</span>'
    )


def colour_of(size: float) -> str:
    return PREDICTED if size > 0 else RUNNER_UP


def _html(text: str) -> str:
    return escape(shown_text(text))


def shown_text(text: str) -> str:
    """Write out characters that are invisible or reverse the text after them."""
    if text.isprintable():
        return text
    return "".join(f"[U+{ord(one):04X}]" if _is_hidden(one) else one for one in text)


def _is_hidden(character: str) -> bool:
    kind = unicodedata.category(character)
    return (kind in ("Cc", "Cs") and character not in "\n\t\r") or (
        ord(character) in REVERSING
    )


def words_table(words: WordsLike, n_rows: int) -> Table:
    """Describe the first texts."""
    head = ["sample", "class", "against", words.target, "words"]
    rows = [
        [
            words.sample_indices[i],
            words.labels[i],
            words.against[i] if words.target == "margin" else "",
            f"{words.score[i]:.3g}",
            marked_of(words, i),
        ]
        for i in range(n_rows)
    ]
    caption = f"{words!r}, method {words.method}. {LEGEND}"
    return Table(caption, head, rows, len(words) - n_rows)

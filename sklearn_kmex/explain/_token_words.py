"""Relevance of words, from that of the tokens of a network."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.rule import Rule, rule_of
from sklearn_kmex._model.steps import uncached_steps
from sklearn_kmex.explain._scores import Asked
from sklearn_kmex.explain._spans import taken_back, trace, words_in
from sklearn_kmex.explain._target import layers_of
from sklearn_kmex.explain._text_words import Sharing, TextWords, as_spans

REST = "special tokens, positions and biases"
UNLOCATED = "tokens without text"
TOKENS = "relevance of tokens"


class TokenScores(NamedTuple):
    """What is explained for each text; classes are positions in `classes_`.

    The first fields are those of `Target` of `_torch.scores`.
    """

    kind: str  # "class", "margin" or "similarity"
    rule: str | None  # None is the rule of the network
    codes: NDArray[np.intp]  # class of each text
    rivals: NDArray[np.intp]  # class that it is compared with
    prototypes: NDArray[np.intp]  # (n_texts, 1)
    decides_by: Rule
    layers: list[Any]  # steps between the network and the classifier


def token_words(
    psem: Any, place: int, X: list[str], asked: Asked, method: str | None
) -> tuple[list[TextWords], str] | None:
    """Split the scores of texts over their words, by the tokens of an embedder.

    The result is None if its network has no relevance of tokens.
    """
    steps = [step for _, step in uncached_steps(psem)]
    texts = X
    for step in steps[:place]:
        texts = step.transform(texts)
    embedder, after, sem = steps[place], steps[place + 1 :], find_sem(psem)
    scores = TokenScores(
        asked.kind,
        None,
        asked.codes,
        asked.rivals,
        asked.prototypes[:, np.newaxis],
        rule_of(sem),
        layers_of(after, embedder.transform(texts) if after else None),
    )
    found = embedder._attribute_tokens(texts, scores, method)
    if found is None:
        return None
    rows = zip(X, texts, found, strict=True)
    return [merge_tokens(*row) for row in rows], method or TOKENS


def merge_tokens(text: str, processed: str, tokens: tuple[Any, Any, Any]) -> TextWords:
    """Merge tokens to the words that they are in.

    A token gives equal parts to the words that it overlaps. `tokens` is their spans in
    the processed text, (n_tokens, 2), their relevance and the rest of the score: a
    number, or a dict of named numbers.
    """
    spans, relevance, rest = tokens
    places = [[(int(start), int(end))] for start, end in np.reshape(spans, (-1, 2))]
    if processed != text:
        origin = trace(text, processed)
        places = [taken_back(span, origin) for span in places]
    sharing = Sharing(words_in(text))
    for place, size in zip(places, np.asarray(relevance).tolist(), strict=True):
        sharing.add(UNLOCATED, size, [place])
    named = dict(rest) if isinstance(rest, dict) else {REST: float(rest)}
    return TextWords(
        text,
        as_spans(sharing.words),
        sharing.relevance,
        {},
        {},
        {**{name: size for name, size in sharing.unplaced.items() if size}, **named},
        [],
    )

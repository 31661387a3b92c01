"""How similar two texts are, by pairs of their tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from sklearn_kmex._data.samples import as_samples
from sklearn_kmex._draw.html import html_table
from sklearn_kmex._draw.terminal import paragraphs
from sklearn_kmex._draw.token_table import pairs_lines, pairs_table
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.rule import rule_of
from sklearn_kmex._model.steps import embed, uncached_steps
from sklearn_kmex.embedding import TextEmbedder
from sklearn_kmex.explain._spans import overlapping, words_in
from sklearn_kmex.explain._target import layers_of
from sklearn_kmex.utils import check_dependency


@dataclass(frozen=True)
class TokenTable:
    """Similarity of two texts as a sum over pairs of their tokens.

    It is returned by :func:`token_table`. The sum of `values` and `rest` is `product`.

    Read more in the :ref:`User Guide <relevance_tokens>`.

    Parameters
    ----------
    texts : tuple of str
        The two texts.

    index : int or None
        Row of the second text in `X_train`, where a list was given.

    spans : ndarray of shape (n_tokens, 2), dtype=intp
        First character of each token in its text, and that after its end. Both are
        equal for special tokens.

    other_spans : ndarray of shape (n_other_tokens, 2), dtype=intp
        The same for the second text.

    values : ndarray of shape (n_tokens, n_other_tokens), dtype=float64
        What each pair of tokens contributes to the inner product.

    product : float
        Inner product of the two embeddings in the metric of the classifier: their
        cosine for a cosine metric.

    rest : float
        What offsets of steps between embedder and classifier add to the product.

    squared_distance : float
        Squared distance of the two embeddings in the metric: the sum of the products
        of each with itself, minus twice `product`.

    See Also
    --------
    token_table : Returns a TokenTable.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kmex.explain import TokenTable
    >>> table = TokenTable(
    ...     texts=("free lunch", "lunch"),
    ...     index=None,
    ...     spans=np.array([[0, 4], [5, 10]]),
    ...     other_spans=np.array([[0, 5]]),
    ...     values=np.array([[0.1], [0.7]]),
    ...     product=0.8,
    ...     rest=0.0,
    ...     squared_distance=0.4,
    ... )
    >>> table.words()[:2]
    (['free', 'lunch'], ['lunch'])
    """

    texts: tuple[str, str]
    index: int | None
    spans: NDArray[np.intp]
    other_spans: NDArray[np.intp]
    values: NDArray[np.float64]
    product: float
    rest: float
    squared_distance: float

    def words(self) -> tuple[list[str], list[str], NDArray[np.float64]]:
        """Sum the table over the tokens of each word.

        Returns
        -------
        words, other_words : list of str
            Words of the two texts that have tokens, as :func:`words` finds them. A
            token of several words is shared equally by them. Special tokens are left
            out.

        values : ndarray of shape (n_words, n_other_words)
            What each pair of words contributes to the product.
        """
        rows, parts = _words(self.texts[0], self.spans)
        columns, others = _words(self.texts[1], self.other_spans)
        return rows, columns, parts @ self.values @ others.T

    def __str__(self) -> str:
        return paragraphs([pairs_lines(self)])

    def _repr_html_(self) -> str:
        return html_table(pairs_table(self))


def _words(text: str, spans: NDArray[np.intp]) -> tuple[list[str], NDArray[np.float64]]:
    """Return words, and the share of each in each token, (n_words, n_tokens)."""
    words = words_in(text)
    parts = np.zeros((len(words), len(spans)))
    for token, (start, end) in enumerate(spans.tolist()):
        places = list(overlapping((start, end), words))
        parts[places, token] = 1 / max(len(places), 1)
    known = np.flatnonzero(parts.any(axis=1)).tolist()
    return [text[slice(*words[place])] for place in known], parts[known]


def token_table(psem: Any, text: str, X_train: Any) -> TokenTable:
    r"""Compute which pairs of tokens make a text similar to its closest training text.

    For an encoder whose embedding is the mean of the vectors of its tokens, the inner
    product of two embeddings is exactly the sum over all pairs of tokens. So is their
    cosine, as the lengths of the means are known.

    Read more in the :ref:`User Guide <relevance_tokens>`.

    Parameters
    ----------
    psem : estimator
        Fitted self-explainable model: a `Pipeline` of a `TextEmbedder` and a
        `KMExClassifier`, with any metric. Between these two, it may have affine steps,
        such as scalers or PCA, and `Normalizer`.

    text : str
        The text to explain.

    X_train : str or array-like of str of shape (n_samples,)
        The text to compare with; or several, of which the closest one is taken, by the
        metric of the classifier.

    Returns
    -------
    TokenTable
        The contributions of pairs of tokens, `values` of shape (n_tokens,
        n_other_tokens). The sum of `values` and `rest` is `product`. Positive values
        make the texts more similar.

    Raises
    ------
    TypeError
        If there is no `TextEmbedder` before the classifier, or text is not a str.

    ValueError
        If the embedding is not the mean of the vectors of the tokens.

    See Also
    --------
    relevance : Which parts of an input a decision is based on.

    Notes
    -----
    With the vectors :math:`t_i` of n tokens and :math:`u_j` of m tokens, mapped as the
    steps after the embedder and the metric map embeddings, the value of a pair is
    :math:`t_i^\top u_j / (n m)`, divided by the lengths of both embeddings where a
    `Normalizer` or a cosine metric divides by them.

    With attention, the vector of a token depends on the tokens around it: the table
    is exact, but a token stands for itself in its context.

    Examples
    --------
    >>> import torch
    >>> from tokenizers import Tokenizer
    >>> from tokenizers.models import WordLevel
    >>> from tokenizers.pre_tokenizers import Whitespace
    >>> from transformers import BertConfig, BertModel, PreTrainedTokenizerFast
    >>> from sklearn_kmex import make_kmex
    >>> from sklearn_kmex.explain import token_table
    >>> known = {"?": 0, "free": 1, "lunch": 2, "at": 3, "home": 4}
    >>> words = Tokenizer(WordLevel(known, unk_token="?"))
    >>> words.pre_tokenizer = Whitespace()
    >>> tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="?")
    >>> _ = torch.manual_seed(0)
    >>> model = BertModel(
    ...     BertConfig(vocab_size=5, hidden_size=12, num_hidden_layers=1)
    ... )
    >>> texts, y = ["free lunch", "at home"], ["spam", "ham"]
    >>> psem = make_kmex(model, tokenizer=tokenizer, n_prototypes=1).fit(texts, y)
    >>> table = token_table(psem, "lunch at home", texts)
    >>> table.texts[1], table.words()[:2], table.values.shape
    ('at home', (['lunch', 'at', 'home'], ['at', 'home']), (3, 2))
    """
    check_dependency("torch", caller="token_table", extra="text")
    if not isinstance(text, str):
        raise TypeError(f"text must be a str; got {type(text).__name__}.")
    embedder, after = steps_to_texts(psem)
    check_is_fitted(psem)
    index, other = _closest(psem, text, X_train)
    space = _Space(psem, layers_of(after, embedder.transform([text, other])))
    (spans, parts), (other_spans, others) = embedder._token_contributions([text, other])
    ours, x = space.place(parts)
    theirs, y = space.place(others)
    values, product = ours @ theirs.T, float(x @ y)
    return TokenTable(
        (text, other),
        index,
        spans,
        other_spans,
        values,
        product,
        product - float(values.sum()),
        float(((x - y) ** 2).sum()),
    )


def steps_to_texts(psem: Any) -> tuple[Any, list[Any]]:
    """Return the embedder of texts in a model, and the steps after it."""
    steps = [step for _, step in uncached_steps(psem)]
    if not steps or not isinstance(steps[0], TextEmbedder):
        names = ", ".join(type(step).__name__ for step in steps) or "no steps"
        raise TypeError(
            f"psem must embed texts by a TextEmbedder; it has {names} before its "
            "classifier. Convert a sentence encoder with make_kmex."
        )
    return steps[0], steps[1:]


class _Space:
    """The space in which the Euclidean distance is that of the classifier."""

    def __init__(self, psem: Any, layers: Any) -> None:
        from sklearn_kmex._torch.projection import Affine

        self.metric = rule_of(find_sem(psem)).metric
        self.layers = layers
        self.affine = Affine

    def place(self, parts: NDArray) -> tuple[NDArray, NDArray]:
        """Map contributions to an embedding linearly; return them and the embedding."""
        whole = parts.sum(0)
        for layer in self.layers:
            if isinstance(layer, self.affine):
                parts, whole = parts @ layer.weight, whole @ layer.weight + layer.offset
            else:
                length = np.linalg.norm(whole, layer.order) or 1
                parts, whole = parts / length, whole / length
        if self.metric.unit:
            length = np.linalg.norm(whole) or 1
            parts, whole = parts / length, whole / length
        if self.metric.mapped:
            parts, whole = parts @ self.metric.map, whole @ self.metric.map
        return parts, whole


def _closest(psem: Any, text: str, X_train: Any) -> tuple[int | None, str]:
    """Return the row of the closest of some texts, and the text."""
    if isinstance(X_train, str):
        return None, X_train
    texts = list(as_samples(X_train))
    rows = rule_of(find_sem(psem)).metric.project(
        np.asarray(embed(psem, [text, *texts]), dtype=np.float64)
    )
    index = int(((rows[1:] - rows[0]) ** 2).sum(axis=1).argmin())
    return index, str(texts[index])

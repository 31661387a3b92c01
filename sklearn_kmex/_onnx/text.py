"""Converter of the text vectorizers of scikit-learn.

That of skl2onnx splits words at letters beyond ASCII, needs a locale of the machine,
and computes in float32.
"""

from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from sklearn_kmex._onnx.graph import FEATURES, INT64, STRING, Graph, cast
from sklearn_kmex._onnx.tokens import grams_of, least_length, pattern_of, spellings

UNKNOWN, STOP = 0, -1  # ids of tokens that are not in the vocabulary


def convert_text(scope: Any, operator: Any, container: Any) -> None:
    """Add the counts of terms, and their weights."""
    step, graph = operator.raw_operator, Graph(scope, container)
    counts = _counts(graph, step, _token_ids(graph, step, operator.inputs))
    if isinstance(step, TfidfVectorizer):
        counts = weighted(graph, step, counts)
    dtype = np.float32 if step.dtype == np.float32 else np.float64
    graph.set_outputs(operator.outputs, cast(graph, counts, dtype))


def _token_ids(graph: Graph, step: Any, inputs: list[Any]) -> str:
    """Replace the tokens of each text by numbers, (n_samples, n_tokens + 1).

    A row and a column are added, because some operators take no empty arrays.
    """
    pattern = pattern_of(step)
    texts = graph.Reshape(inputs[0].full_name, np.array([-1]))
    texts = graph.Concat(texts, np.array([" "], dtype=object), axis=0)
    if step.lowercase:  # the locale "C" is on all machines, and knows ASCII
        settings = {"case_change_action": "LOWER", "is_case_sensitive": 1}
        texts = graph.StringNormalizer(texts, locale="C", **settings)
    tokens = graph.Tokenizer(
        texts,
        op_domain="com.microsoft",
        op_version=1,
        mark=0,
        mincharnum=1,
        pad_value="",
        tokenexp=pattern,
    )
    tokens = graph.Cast(tokens, to=STRING)  # the checker does not know their type
    keys, values = zip(*_vocabulary(step).items(), strict=True)
    ids = graph.LabelEncoder(
        tokens,
        op_domain="ai.onnx.ml",
        op_version=2,
        keys_strings=keys,
        values_int64s=values,
        default_int64=UNKNOWN,
    )
    return graph.Pad(ids, np.array([0, 0, 0, 1]), np.int64(UNKNOWN))


def _vocabulary(step: Any) -> dict[str, int]:
    """Return a number for each spelling of each token, and of each stop word."""
    tokens = dict.fromkeys(token for gram in grams_of(step) for token in gram)
    numbers = {token: n for n, token in enumerate(tokens, 1)}
    numbers |= dict.fromkeys(step.get_stop_words() or (), STOP)
    if not step.lowercase:
        return numbers
    words = least_length(step) > 0
    return {
        spelling: number
        for token, number in numbers.items()
        for spelling in spellings(token, words)
    }


def _counts(graph: Graph, step: Any, ids: str) -> str:
    """Count the terms of each text, in float64."""
    if step.ngram_range[1] > 1 and step.stop_words is not None:
        ids = _without_stop_words(graph, ids)
    numbers = _vocabulary(step)
    columns = sorted(enumerate(grams_of(step)), key=lambda pair: len(pair[1]))
    sizes = np.array([len(gram) for _, gram in columns])
    lengths = range(1, step.ngram_range[1] + 1)
    counts = graph.TfIdfVectorizer(
        ids,
        min_gram_length=step.ngram_range[0],
        max_gram_length=step.ngram_range[1],
        max_skip_count=0,
        mode="TF",
        ngram_counts=[int(sizes[sizes < length].sum()) for length in lengths],
        ngram_indexes=[column for column, _ in columns],
        pool_int64s=[numbers[token] for _, gram in columns for token in gram],
    )
    counts = graph.Slice(counts, np.array([0]), np.array([-1]), np.array([0]))
    counts = cast(graph, counts, np.float64)
    return graph.Min(counts, np.float64(1)) if step.binary else counts


def _without_stop_words(graph: Graph, ids: str) -> str:
    """Move the tokens of each text to the left, over its stop words."""
    kept = graph.GreaterOrEqual(ids, np.int64(UNKNOWN))
    end = graph.Shape(ids, start=1, end=2)  # where stop words are put
    places = graph.CumSum(graph.Cast(kept, to=INT64), np.int64(1))
    places = graph.Where(kept, graph.Sub(places, np.int64(1)), end)
    size = graph.Add(graph.Shape(ids), np.array([0, 1]))
    moved = graph.ScatterElements(
        graph.Expand(np.int64(UNKNOWN), size), places, ids, axis=1
    )
    return graph.Slice(moved, np.array([0]), end, np.array([1]))


def weighted(graph: Graph, step: Any, counts: str) -> str:
    """Weight counts by the rarity of terms, and divide them by their norm."""
    if step.sublinear_tf:
        logs = graph.Add(graph.Log(graph.Max(counts, np.float64(1))), np.float64(1))
        counts = graph.Where(graph.Greater(counts, np.float64(0)), logs, counts)
    if step.use_idf:
        counts = graph.Mul(counts, step.idf_.astype(np.float64))
    return counts if step.norm is None else divided_by_norm(graph, counts, step.norm)


def divided_by_norm(graph: Graph, X: str, norm: str) -> str:
    """Divide each row by its norm; rows of zeros stay as they are."""
    reduce = {"l1": graph.ReduceL1, "l2": graph.ReduceL2, "max": graph.ReduceMax}[norm]
    length = reduce(graph.Abs(X), FEATURES, keepdims=1)
    zero = graph.Equal(length, np.float64(0))
    return graph.Div(X, graph.Where(zero, np.float64(1), length))

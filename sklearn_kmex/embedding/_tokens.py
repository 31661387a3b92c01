"""Texts of any container, and their tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._data.samples import RowsError, as_samples, len_of, sample

# A tokenizer of Hugging Face stores the truncation of a call, for all threads.
TOKENIZING = Lock()
LONGEST = 2**20  # tokenizers without a limit name a number of about 1e30
HALF = (
    "half of a surrogate pair, which is no character. Remove it, for example by "
    "text.encode(errors='ignore').decode()"
)
CHECKED = 64  # texts at a time, whose length is found without truncation


def default_prompt(model: Any) -> str:
    """Return the text that a sentence encoder puts before others by default."""
    prompts = getattr(model, "prompts", None) or {}
    return prompts.get(getattr(model, "default_prompt_name", None)) or ""


def n_tokens_of(prompt: str, tokenizer: Any) -> int:
    """Count the tokens of a prompt, as a SentenceTransformer does."""
    ids = tokenize(tokenizer, [prompt], None).columns["input_ids"][0]
    return len(ids) - (ids[-1] in getattr(tokenizer, "all_special_ids", ()))


class Tokens(NamedTuple):
    """Tokens of texts, in the order of the texts."""

    columns: dict[str, list[list[int]]]  # input_ids and further inputs, not padded
    spans: list[NDArray[np.intp]] | None  # (n_tokens, 2), characters; None if unknown
    cut: NDArray[np.bool_]  # whether a text was truncated

    @property
    def lengths(self) -> NDArray[np.intp]:
        """Number of tokens of each text."""
        return np.array([len(ids) for ids in self.columns["input_ids"]], dtype=np.intp)

    @property
    def offsets(self) -> list[NDArray[np.intp]]:
        """First character of each token in the user's string, and that after its end.

        Both are equal for tokens that are not from the text, such as special ones.
        """
        if self.spans is None:
            raise TypeError(
                "tokenizer must know which characters a token is from, to explain "
                "words; this one does not. Use a fast tokenizer, as "
                "AutoTokenizer.from_pretrained returns where there is one."
            )
        return self.spans


def as_texts(X: Any) -> list[str]:
    """Return a column of texts as a list of strings."""
    if isinstance(X, str | bytes):
        raise ValueError(
            f"X must be a list or column of texts; got one {type(X).__name__}. Pass "
            "[text]."
        )
    X = _as_column(as_samples(X))
    texts = list(_values(X))
    _check_rows(texts, lambda one: isinstance(one, str), _describe)
    _check_rows(texts, _is_unicode, lambda _: HALF)
    return [str(text) for text in texts]


def _as_column(X: Any) -> Any:
    """Return the only column of a table; a list or column as it is."""
    shape = getattr(X, "shape", None)
    if shape is None or len(shape) == 1:
        return X
    if len(shape) != 2 or shape[1] != 1:
        names = f", {list(X.columns)[:5]}" if hasattr(X, "columns") else ""
        raise ValueError(
            f"X must be one column of texts; got shape {tuple(shape)}{names}. Select "
            "the column of the texts."
        )
    return X[X.columns[0]] if hasattr(X, "columns") else np.asarray(X)[:, 0]


def _values(X: Any) -> Iterable[Any]:
    """Return the values of a column of any library, or the samples of a Dataset."""
    if hasattr(X, "to_pylist"):  # pyarrow
        return X.to_pylist()
    is_column = isinstance(X, list) or hasattr(X, "dtype")
    return X if is_column else (sample(X, row) for row in range(len_of(X)))


def _check_rows(
    texts: list, is_right: Callable[[Any], bool], describe: Callable[[Any], str]
) -> None:
    """Raise an error that names the rows that hold something else."""
    wrong = [row for row, text in enumerate(texts) if not is_right(text)]
    if wrong:
        what = describe(texts[wrong[0]])
        rows, hold = ("row", "holds") if len(wrong) == 1 else ("rows", "hold")
        raise RowsError(f"X must hold texts; {rows} ", wrong, f" {hold} {what}.")


def _describe(value: Any) -> str:
    """Tell what is in the place of a text, and what to do."""
    if isinstance(value, bytes):
        return f"bytes, {value[:20]!r}. Decode it, for example by .decode('utf-8')"
    is_missing = value is None or repr(value) in ("nan", "<NA>", "NaT")
    if is_missing or (isinstance(value, float) and np.isnan(value)):
        return f"{value!r}, a missing value. Leave it out, or replace it by ''"
    return f"{type(value).__name__} {str(value)[:40]!r}. Convert it by str"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def tokenize(
    tokenizer: Any,
    texts: list[str],
    limit: int | None,
    prompt: str = "",
    with_spans: bool = False,
) -> Tokens:
    """Tokenize texts after a prompt, truncated to a number of tokens."""
    texts = [prompt + text for text in texts]
    read = _by_tokenizers if hasattr(tokenizer, "encode_batch") else _by_transformers
    with TOKENIZING:
        columns, spans = read(tokenizer, texts, limit, with_spans)
        cut = np.zeros(len(texts), dtype=bool)
        reached = [n for n, ids in enumerate(columns["input_ids"]) if len(ids) == limit]
        for start in range(0, len(reached), CHECKED):
            rows = reached[start : start + CHECKED]
            whole, _ = read(tokenizer, [texts[row] for row in rows], None, False)
            cut[rows] = [len(ids) > (limit or 0) for ids in whole["input_ids"]]
    if spans is not None:
        spans = [
            _trimmed(text, one, len(prompt))
            for text, one in zip(texts, spans, strict=True)
        ]
    return Tokens(columns, spans, cut)


def _by_transformers(
    tokenizer: Any, texts: list[str], limit: int | None, with_spans: bool
) -> tuple[dict[str, list], list | None]:
    """Run a tokenizer of transformers."""
    with_spans = with_spans and tokenizer.is_fast
    with _restored(getattr(tokenizer, "backend_tokenizer", None)):
        found = tokenizer(
            texts,
            truncation=limit is not None,
            max_length=limit,
            return_attention_mask=True,
            return_offsets_mapping=with_spans,
            verbose=False,  # of a text that is longer than the limit
        )
    columns = dict(found)
    spans = columns.pop("offset_mapping", None)
    return columns, spans


def _by_tokenizers(
    tokenizer: Any, texts: list[str], limit: int | None, with_spans: bool
) -> tuple[dict[str, list], list | None]:
    """Run a tokenizer of static embeddings, without special tokens."""
    with _restored(tokenizer):
        tokenizer.no_truncation()
        tokenizer.no_padding()
        found = tokenizer.encode_batch(texts, add_special_tokens=False)
    ids = [one.ids[:limit] for one in found]
    mask = [[1] * len(one) for one in ids]
    spans = [one.offsets[:limit] for one in found] if with_spans else None
    return {"input_ids": ids, "attention_mask": mask}, spans


@contextmanager
def _restored(tokenizer: Any) -> Iterator[None]:
    """Restore the truncation and padding that a call sets in a fast tokenizer."""
    if not hasattr(tokenizer, "enable_truncation"):
        yield
        return
    truncation, padding = tokenizer.truncation, tokenizer.padding
    try:
        yield
    finally:
        if truncation is None:
            tokenizer.no_truncation()
        else:
            tokenizer.enable_truncation(**truncation)
        if padding is None:
            tokenizer.no_padding()
        else:
            tokenizer.enable_padding(**padding)


def _trimmed(text: str, spans: Any, start: int) -> NDArray[np.intp]:
    """Leave out spaces around a token, and count characters from the end of a prompt.

    Tokens that begin within the prompt become empty.
    """
    rows = []
    for first, last in spans:
        while first < last and text[first].isspace():
            first += 1
        while first < last and text[last - 1].isspace():
            last -= 1
        rows.append((first - start, last - start) if first >= start else (0, 0))
    rows = [(0, 0) if first >= last else (first, last) for first, last in rows]
    return np.array(rows, dtype=np.intp).reshape(-1, 2)


def check_tokenizer(tokenizer: Any, model: Any) -> Any:
    """Return a tokenizer, or raise an error for something else."""
    if hasattr(tokenizer, "encode_batch") or hasattr(tokenizer, "is_fast"):
        return tokenizer
    raise TypeError(
        f"tokenizer must be that of {type(model).__name__}, of transformers or "
        f"tokenizers; got {type(tokenizer).__name__}. Pass, for example, "
        "AutoTokenizer.from_pretrained(name)."
    )


def limit_of(max_length: int | None, model: Any, tokenizer: Any) -> int | None:
    """Return the largest number of tokens of a text, None if there is none."""
    own = getattr(tokenizer, "truncation", None)  # of a tokenizer without a model
    known = (
        max_length,
        getattr(model, "max_seq_length", None),
        getattr(tokenizer, "model_max_length", None),
        own["max_length"] if own else None,
        _n_positions(model),
    )
    return min((int(one) for one in known if one and 0 < one < LONGEST), default=None)


def _n_positions(model: Any) -> int | None:
    """Return for how many tokens a model of transformers has positions, if it says so.

    Those of RoBERTa and its like begin after the id of the padding.
    """
    config = getattr(model, "config", None)
    most = getattr(config, "max_position_embeddings", None)
    if not isinstance(most, int) or most < 1:
        return None
    inner = getattr(getattr(model, "base_model", model), "embeddings", None)
    padding = getattr(getattr(inner, "position_embeddings", None), "padding_idx", None)
    return most if padding is None else most - padding - 1

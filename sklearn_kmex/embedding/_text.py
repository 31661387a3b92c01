"""TextEmbedder: embed texts by a sentence encoder or another model of tokens."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if

from sklearn_kmex._compat import HasMethods, Interval, StrOptions
from sklearn_kmex.embedding._attribution import TokenRelevance
from sklearn_kmex.embedding._head import probabilities_of_scores
from sklearn_kmex.embedding._tokens import (
    Tokens,
    as_texts,
    check_tokenizer,
    default_prompt,
    limit_of,
    n_tokens_of,
    tokenize,
)
from sklearn_kmex.embedding._torch_model import TorchModelEmbedder, named_outputs
from sklearn_kmex.exceptions import KMExWarning
from sklearn_kmex.utils import check_dependency

if TYPE_CHECKING:
    from sklearn_kmex._torch.texts import TextEncoder
    from sklearn_kmex._torch.tokens import Texts
    from sklearn_kmex._torch.types import Module


def _classifies(self: TextEmbedder) -> bool:
    """Whether the model has outputs: no sentence encoder, nor a model without head."""
    is_encoder = getattr(self.model, "base_model", None) is self.model
    return not (is_encoder or hasattr(self.model, "encode"))


class TextEmbedder(TorchModelEmbedder):
    """Embed texts by a trained model of tokens, such as a sentence encoder.

    A private copy that shares the weights of the model is run, in evaluation mode and
    without gradients. The model itself stays unchanged, and `clone` shares it. The
    longest texts are run first, in batches of similar length.

    Read more in the :ref:`User Guide <text>`.

    Parameters
    ----------
    model : SentenceTransformer or torch.nn.Module
        The trained model: a `SentenceTransformer`, or an encoder or classifier of
        texts of transformers.

    tokenizer : tokenizer of transformers, default=None
        The tokenizer of the model; None is that of a `SentenceTransformer`.

    layer : str, default=None
        Dotted name, as in `model.named_modules()`, of the layer whose output is the
        embedding. By default, the embedding is what a `SentenceTransformer` returns,
        the last hidden state of an encoder, or the input of the last linear layer of a
        classifier.

    pooling : {"auto", "mean", "cls", "max", "last"}, default="auto"
        How the vectors of the tokens of a text become one: their mean or maximum, or
        the vector of the first or last token. Padding is left out. "auto" is the
        pooling and normalization of a `SentenceTransformer`, that of a classifier, and
        "mean" otherwise.

    max_length : int, default=None
        Number of tokens to which texts are truncated, special tokens included. None is
        the limit of the model and its tokenizer.

    batch_size : int, default=32
        Number of texts in a batch.

    device : str, default="auto"
        Where to run, as in `torch.device`. "auto" is the device of the model.

    See Also
    --------
    TorchEmbedder : Embeds other samples by a layer of a torch module.
    sklearn_kmex.make_kmex : Makes a pipeline of an embedder and a `KMExClassifier`.

    Notes
    -----
    Embeddings of a `SentenceTransformer` are those of its `encode`, with its default
    prompt, up to rounding.

    Examples
    --------
    >>> from tokenizers import Tokenizer
    >>> from tokenizers.models import WordLevel
    >>> from tokenizers.pre_tokenizers import Whitespace
    >>> from transformers import BertConfig, BertModel, PreTrainedTokenizerFast
    >>> from sklearn_kmex.embedding import TextEmbedder
    >>> words = Tokenizer(WordLevel({"?": 0, "free": 1, "lunch": 2}, unk_token="?"))
    >>> words.pre_tokenizer = Whitespace()
    >>> tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="?")
    >>> model = BertModel(
    ...     BertConfig(vocab_size=3, hidden_size=12, num_hidden_layers=1)
    ... )
    >>> TextEmbedder(model, tokenizer).transform(["free lunch", "lunch"]).shape
    (2, 12)
    """

    _parameter_constraints: ClassVar[dict] = {
        "model": [HasMethods(["parameters"])],
        "tokenizer": [HasMethods(["get_vocab"]), None],
        "layer": [str, None],
        "pooling": [StrOptions({"auto", "mean", "cls", "max", "last"})],
        "max_length": [Interval(Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
    }

    def __init__(
        self,
        model: Module,
        tokenizer: Any = None,
        *,
        layer: str | None = None,
        pooling: Literal["auto", "mean", "cls", "max", "last"] = "auto",
        max_length: int | None = None,
        batch_size: int = 32,
        device: str = "auto",
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.layer = layer
        self.pooling = pooling
        self.max_length = max_length
        self.batch_size = batch_size
        self.device = device

    @available_if(_classifies)
    def black_box_output(self, X: ArrayLike) -> NDArray:
        """Compute the scores of the classes by the whole model.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,)
            Texts.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Scores, before any softmax.
        """
        return super().black_box_output(X)

    @available_if(_classifies)
    def embed_with_output(self, X: ArrayLike) -> tuple[NDArray, NDArray]:
        """Embed texts and compute the scores of the classes in one pass.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,)
            Texts.

        Returns
        -------
        embeddings : ndarray of shape (n_samples, n_features_out)
            Embeddings, as from `transform`.

        output : ndarray of shape (n_samples, n_classes)
            Scores, as from `black_box_output`.
        """
        return super().embed_with_output(X)

    @property
    def output_classes(self) -> Any:
        """Class labels of the outputs, if the model has a configuration with them."""
        return named_outputs(self.model) if _classifies(self) else None

    def _network(self) -> Module:
        return self.model

    def _check_input(self, X: Any, reset: bool) -> list[str]:
        texts = as_texts(X)
        if not texts:
            raise ValueError("X must have at least one text; got none.")
        return texts

    def _embed(self, X: list[str]) -> NDArray[np.float32]:
        return self._run(X, False)[0]

    def _output(self, X: list[str]) -> NDArray:
        return self._run(X, True)[1]

    def _embed_with_output(self, X: list[str]) -> tuple[NDArray[np.float32], NDArray]:
        return self._run(X, True)

    def _run(self, X: list[str], with_output: bool) -> tuple[NDArray[np.float32], Any]:
        """Embed texts, and warn of those that are truncated."""
        check_dependency("torch", caller="TextEmbedder", extra="text")
        from sklearn_kmex._torch.texts import embed_texts, score_reader

        tokens, encoder = self._tokenize(X), self._text_encoder()
        n_cut = int(tokens.cut.sum())
        if n_cut:
            warnings.warn(
                f"Texts of more than {self._limit()} tokens are truncated to these "
                f"(max_length): {n_cut} of {len(X)}.",
                KMExWarning,
                stacklevel=4,
            )
        read = score_reader(encoder, self._trial()) if with_output else None
        return embed_texts(
            encoder, tokens.columns, self._tokenizer(), self.batch_size, read
        )

    def _encode(self, X: Any) -> Tokens:
        """Return tokens of texts, with the characters of the texts that they are from.

        `Tokens.columns` holds input ids, attention masks and further inputs by name.
        `_text_encoder` embeds what `sklearn_kmex._torch.texts.padded` makes of them.
        """
        return self._tokenize(self._check_input(X, reset=False), with_spans=True)

    def _attribute_tokens(
        self, texts: Any, scores: Any, method: str | None
    ) -> list[TokenRelevance] | None:
        """Explain scores of texts by their tokens; `scores` has the fields of Target.

        The rule by which relevance is assigned to the embedding is that of the model.
        The result is None if no method is named, and the model has none.
        """
        from sklearn_kmex._torch.gradients import Method
        from sklearn_kmex._torch.recorder import NoRuleError
        from sklearn_kmex._torch.scores import Target
        from sklearn_kmex._torch.tokens import check_method, explain_tokens

        how = Method(check_method(method))
        target = Target(*scores)._replace(rule=None)
        tokens = self._encode(texts)
        encoder, batched = self._text_encoder, self._batched(tokens)
        try:
            maps = explain_tokens(encoder, batched, target, how)
        except NoRuleError:
            if method is None:
                return None
            raise
        rows = zip(tokens.offsets, maps, strict=True)
        return [TokenRelevance.of(*row) for row in rows]

    def _token_contributions(self, texts: Any) -> list[tuple[NDArray, NDArray]]:
        """Return spans of tokens, and contributions that sum to the embedding."""
        from sklearn_kmex._torch.tokens import contributions

        tokens = self._encode(texts)
        parts = contributions(self._text_encoder(), self._batched(tokens))
        return list(zip(tokens.offsets, parts, strict=True))

    def _batched(self, tokens: Tokens) -> Texts:
        from sklearn_kmex._torch.tokens import Texts

        return Texts(tokens.columns, self._tokenizer(), self.batch_size)

    def _tokenize(self, texts: list[str], with_spans: bool = False) -> Tokens:
        prompt = default_prompt(self.model)
        return tokenize(self._tokenizer(), texts, self._limit(), prompt, with_spans)

    def _text_encoder(self) -> TextEncoder:
        """Return a copy of the model up to the embedding, as one torch module."""
        from sklearn_kmex._torch.texts import text_encoder

        tokenizer, prompt = self._tokenizer(), default_prompt(self.model)
        encoder = text_encoder(
            self.model, tokenizer, self.layer, self.pooling, self.device, self._trial()
        )
        if prompt:
            encoder.constants["prompt_length"] = n_tokens_of(prompt, tokenizer)
        return encoder

    def _trial(self) -> dict[str, Any]:
        """Return the tokens of a short text as tensors."""
        from sklearn_kmex._torch.texts import padded

        return padded(self._tokenize(["a"]).columns, [0], self._tokenizer())

    def _tokenizer(self) -> Any:
        found = self.tokenizer
        if found is None:
            found = getattr(self.model, "tokenizer", None)
        return check_tokenizer(found, self.model)

    def _limit(self) -> int | None:
        return limit_of(self.max_length, self.model, self._tokenizer())

    def _probabilities(self, Z: NDArray) -> NDArray | None:
        from sklearn_kmex._torch.texts import scores_of_head

        if self.layer is not None or not _classifies(self):
            return None
        scores = scores_of_head(self._text_encoder(), Z)
        return None if scores is None else probabilities_of_scores(scores)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags

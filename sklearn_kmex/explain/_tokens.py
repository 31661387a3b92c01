"""The tokens of texts: their relevance, and how similar those of two texts are."""

from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from sklearn_kmex._model.steps import uncached_steps
from sklearn_kmex.embedding._text import TextEmbedder
from sklearn_kmex.explain._scores import explained_scores, layers_of
from sklearn_kmex.explain._settings import make_method
from sklearn_kmex.utils import check_dependency

if TYPE_CHECKING:
    from sklearn_kmex.embedding._attribution import TokenRelevance


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


def token_relevance(
    psem: Any,
    texts: Any,
    target: str = "class",
    *,
    labels: ArrayLike | None = None,
    prototypes: ArrayLike | None = None,
    method: str | None = None,
    rule: str | None = None,
) -> "list[TokenRelevance]":
    """Explain a decision about texts by their tokens; arguments as for `relevance`."""
    check_dependency("zennit", caller="words", extra="explain")
    embedder, after = steps_to_texts(psem)
    layers = layers_of(after, embedder.transform(texts)) if after else []
    scores, _ = explained_scores(psem, texts, layers, target, labels, prototypes, rule)
    return embedder._attribute_tokens(texts, scores, make_method(method))

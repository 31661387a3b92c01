"""words: which words of a text led to a decision."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer

from sklearn_kmex._compat import Interval, StrOptions, validate_params
from sklearn_kmex._data.samples import as_samples
from sklearn_kmex._model.decision import decide
from sklearn_kmex._model.protocol import find_sem, of_one_state
from sklearn_kmex._model.rule import rule_of
from sklearn_kmex._model.steps import steps_before, uncached_steps
from sklearn_kmex.embedding._tokens import as_texts
from sklearn_kmex.explain._exact_words import TextModel, exact_words
from sklearn_kmex.explain._sampled_words import sampled_words
from sklearn_kmex.explain._scores import Asked, asked_of
from sklearn_kmex.explain._text_words import TextWords
from sklearn_kmex.explain._token_words import token_words
from sklearn_kmex.explain._walk import forward
from sklearn_kmex.explain._word_records import Words, make_words

SAMPLING = "sampling"
N_ABSENT = 10


@validate_params(
    {
        "target": [StrOptions({"margin", "class", "similarity"})],
        "method": [str, None],
        "n_absent": [Interval(Integral, 0, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def words(
    psem: Any,
    X: Any,
    *,
    target: Literal["margin", "class", "similarity"] = "margin",
    labels: ArrayLike | None = None,
    against: ArrayLike | None = None,
    prototypes: ArrayLike | None = None,
    method: str | None = None,
    n_absent: int = N_ABSENT,
) -> Words:
    r"""Split a score of texts over their words.

    For a :class:`~sklearn.feature_extraction.text.TfidfVectorizer`, `CountVectorizer`
    or `HashingVectorizer`, and steps behind it that are affine or divide rows by their
    length, such as `TruncatedSVD` and `Normalizer`, the split is exact: the embedding
    is a sum over the terms of the text, and the score is linear in it. Terms of several
    words, or of characters, are shared equally by the words that they are made of.

    Read more in the :ref:`User Guide <words>`.

    Parameters
    ----------
    psem : estimator
        Fitted prototypical self-explainable model of texts: a `Pipeline` that ends in a
        classifier with `classes_`, `prototypes_`, `prototype_classes_` and `transform`.
        A fitted search, `FrozenEstimator` or `RejectingClassifier` around one is
        accepted; the classifier inside is explained.

    X : array-like of str of shape (n_texts,), or DataFrame
        Texts, as `psem` takes them: a list, an array, or a column of pandas or polars.
        For a `ColumnTransformer`, a DataFrame with one or more columns of texts, which
        are put together, each on a line of its own.

    target : {"margin", "class", "similarity"}, default="margin"
        Score that is explained.

        - "margin": the squared distance to the most similar prototype of another class
          minus that to the most similar prototype of the predicted class, in the metric
          of the model, as in :func:`contrast`.
        - "class": minus the squared distance to the most similar prototype of the
          predicted class.
        - "similarity": minus the squared distance to one prototype.

        Behind a network, these are the scores of :func:`relevance`.

    labels : label or array-like of shape (n_texts,), default=None
        Class that "margin" and "class" explain, one for all texts or one for each. None
        is the predicted class.

    against : label or array-like of shape (n_texts,), default=None
        Class that "margin" compares it with. None is the class of the most similar
        prototype of any other class.

    prototypes : int or array-like of shape (n_texts,), default=None
        Prototype that "similarity" explains, by its number. None is the most similar
        one of the predicted class.

    method : str, default=None
        How the score is split. None takes the first that the model has.

        - "exact": without approximation, for the steps above, and for means of vectors
          of words.
        - a method of :func:`contrast` for the embedder behind a vectorizer, such as
          "tree_shap" for trees.
        - a method of :func:`relevance` for a network of tokens.
        - "sampling": for any model of texts, the Shapley values of the words, averaged
          over 16 random orders and their opposites. The sum is exact; single values
          have a sampling error. A word is left out by removing it from the text.

    n_absent : int, default=10
        Largest number of words in `absent` of each text, those that count most.

    Returns
    -------
    Words
        Spans and relevance of the words of each text, and what else adds to the score.

    Raises
    ------
    TypeError
        If `psem` is not a prototypical self-explainable model, or X holds no texts.

    ValueError
        If a row of X is no text, a label is unknown, or `method` is none of the model.

    See Also
    --------
    explain : The decision, its prototypes and their similarities.
    contrast : The same for the columns of a table.
    relevance : Maps for inputs of networks.

    Notes
    -----
    Let the embedding of a text be :math:`z = c + \sum_t z_t`, with a term :math:`z_t`
    for each word, and the margin :math:`s \cdot (z - (a + b) / 2)` with the slope
    :math:`s = 2 M (a - b)`, for the prototypes a and b in the metric M. If rows are not
    divided by their length, the relevance of a word is :math:`s \cdot z_t`. If they
    are, a word also adds to the length, of which it has a share :math:`r_t`, and the
    relevance is :math:`2 s \cdot z_t - r_t \sum_u s \cdot z_u`. The sum over all words
    is the same, and their order is about that of what leaving each word out changes:
    to first order, that is :math:`s \cdot z_t - r_t \sum_u s \cdot z_u`.

    What remains is the score of a text that says nothing. It is split over the words of
    the prototypes, as far as the steps can be inverted; those that the text lacks are
    in `absent`.

    The split is an addition of this package. Sampled Shapley values are those of
    E. Strumbelj and I. Kononenko, "An Efficient Explanation of Individual
    Classifications using Game Theory", JMLR 11, 2010.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.explain import words
    >>> texts = ["win a prize now", "prize waiting, call now", "see you at home"]
    >>> spam = ["yes", "yes", "no"]
    >>> psem = make_pipeline(TfidfVectorizer(), KMExClassifier(1, random_state=0))
    >>> found = words(psem.fit(texts, spam), ["Call me at home!"])
    >>> found.words[0], str(found.labels[0])
    (['Call', 'me', 'at', 'home'], 'no')
    >>> found.relevance[0].round(2).tolist()
    [-0.93, 0.0, 0.88, 0.88]
    """
    psem = of_one_state(psem)
    X = _texts_or_table(psem, X)
    steps = steps_before(psem)
    found = decide(psem, forward(steps, X)[-1])
    asked = asked_of(found, target, labels, against, prototypes)
    model = TextModel(steps, rule_of(find_sem(psem)), n_absent)
    split = None if method == SAMPLING else _not_sampled(psem, model, X, asked, method)
    return make_words(*(split or _sampled(model, X, asked, method)), found, asked)


def words_without_sampling(psem: Any, X: list[str], labels: ArrayLike) -> Words | None:
    """Split the margins of texts over their words, if that takes little time."""
    psem = of_one_state(psem)
    steps = steps_before(psem)
    found = decide(psem, forward(steps, X)[-1])
    asked = asked_of(found, "margin", labels, None, None)
    model = TextModel(steps, rule_of(find_sem(psem)), N_ABSENT)
    split = _not_sampled(psem, model, X, asked, None)
    return None if split is None else make_words(*split, found, asked)


def _not_sampled(
    psem: Any, model: TextModel, X: Any, asked: Asked, method: str | None
) -> tuple[list[TextWords], str] | None:
    """Split scores by tokens or terms; None if the model has neither."""
    for place, (_, step) in enumerate(uncached_steps(psem)):
        if hasattr(step, "_attribute_tokens"):
            return token_words(psem, place, X, asked, method)
    return exact_words(model, X, asked, method)


def _sampled(
    model: TextModel, X: Any, asked: Asked, method: str | None
) -> tuple[list[TextWords], str]:
    if method in (None, SAMPLING) and isinstance(X, list):
        return sampled_words(model, X, asked), SAMPLING
    raise ValueError(
        f"method must be None or 'sampling' for this model of texts; got {method!r}."
        if isinstance(X, list)
        else "psem must split its columns of texts by a vectorizer of scikit-learn, "
        "and have only affine steps and Normalizer behind it; this one cannot be "
        "split. Pass a model of one column of texts, which is sampled."
    )


def _texts_or_table(psem: Any, X: Any) -> Any:
    """Return a list of texts, or the table that a ColumnTransformer takes."""
    steps = steps_before(psem)
    if not steps and not hasattr(X, "dtype"):
        raise TypeError(
            "psem must be a model of texts, with a vectorizer or an embedder of texts "
            f"before its classifier; {type(find_sem(psem)).__name__} has none. Fit it "
            "in a Pipeline."
        )
    first = steps[0][1] if steps else None
    if isinstance(first, ColumnTransformer) and not isinstance(X, str):
        return as_samples(X)
    numeric = getattr(getattr(X, "dtype", None), "kind", "") in ("b", "i", "u", "f")
    if numeric or (len(getattr(X, "shape", ())) > 1 and not _is_column(X)):
        shape = getattr(X, "shape", ())
        raise TypeError(
            f"X must be a list or column of texts; got {type(X).__name__} of shape "
            f"{tuple(shape)}. For the columns of a table use contrast."
        )
    return as_texts(_decoded(first, X))


def texts_or_samples(psem: Any, X: Any) -> Any:
    """Return a list of texts for a vectorizer of scikit-learn, and samples otherwise.

    A vectorizer with an analyzer or preprocessor may take something else than texts.
    """
    first = next((step for _, step in steps_before(psem)), None)
    if not isinstance(first, CountVectorizer | HashingVectorizer):
        return as_samples(X)
    if callable(first.analyzer) or first.preprocessor or first.input != "content":
        return as_samples(X)
    return as_texts(_decoded(first, X))


def _is_column(X: Any) -> bool:
    shape = X.shape
    return len(shape) == 2 and shape[1] == 1


def _decoded(step: Any, X: Any) -> Any:
    """Decode texts in bytes as a vectorizer does."""
    if isinstance(X, np.ndarray) and _is_column(X):
        X = X[:, 0]
    if isinstance(X, list | tuple | np.ndarray) and hasattr(step, "decode"):
        return [step.decode(one) if isinstance(one, bytes) else one for one in X]
    return X

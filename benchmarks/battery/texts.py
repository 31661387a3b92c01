"""Kinds of models for texts."""

from functools import partial

from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfVectorizer,
)
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from battery.cases import case, text_rows

MLP = partial(MLPClassifier, (8,), solver="lbfgs", max_iter=200, random_state=0)
FOREST = partial(RandomForestClassifier, 10, random_state=0)


def texts(*steps, words=True):
    """Fit steps to texts; `words` tells whether their words are known."""
    return case(make_pipeline(*steps), text_rows(), columns=None, words=words)


KINDS = {
    "tf-idf": lambda: texts(TfidfVectorizer()),
    "tf-idf, SVD, Normalizer": lambda: texts(
        TfidfVectorizer(), TruncatedSVD(3, random_state=0), Normalizer()
    ),
    "tf-idf, LogisticRegression": lambda: texts(
        TfidfVectorizer(), LogisticRegression()
    ),
    "tf-idf, MLPClassifier": lambda: texts(TfidfVectorizer(), MLP()),
    "tf-idf, RandomForestClassifier": lambda: texts(TfidfVectorizer(), FOREST()),
    "pairs of words, MLPClassifier": lambda: texts(
        CountVectorizer(ngram_range=(1, 2)), MLP()
    ),
    "counts, MultinomialNB": lambda: texts(CountVectorizer(), MultinomialNB()),
    "hashed words, SVD": lambda: texts(
        HashingVectorizer(n_features=64), TruncatedSVD(3, random_state=0), words=False
    ),
    "hashed words, MLPClassifier": lambda: texts(
        HashingVectorizer(n_features=64), MLP(), words=False
    ),
    "letters, SVD": lambda: texts(
        TfidfVectorizer(analyzer="char", ngram_range=(1, 2)),
        TruncatedSVD(3, random_state=0),
        words=False,
    ),
}

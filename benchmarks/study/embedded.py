"""Embeddings of a black box, and its predictions."""

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import make_kmex
from study import black_boxes
from study.comparison import BLACK_BOXES

# Minimum number of batches of a perceptron, and of passes over each row.
BATCH, STEPS, LEAST_EPOCHS = 256, 1500, 5


class Embedded(NamedTuple):
    """Embeddings of training and test rows, and the probabilities of the test rows."""

    Z: NDArray
    y: NDArray
    Z_test: NDArray
    y_test: NDArray
    answers: NDArray


def of_study(data, seed):
    """Embed a data set with its black box."""
    if data.name not in BLACK_BOXES:
        return embed(data, head(data.X_train, data.y_train), lambda X: X)
    kind, epochs = next(iter(BLACK_BOXES[data.name].items()))
    box = black_boxes.train(data, kind, seed, epochs)
    return embed(data, box, make_kmex(box)["embed"].transform)


def of_perceptron(data, seed, rows=slice(None), width=64):
    """Train on some training rows, and embed these and the test rows."""
    scaler = StandardScaler() if data.X_train.ndim == 2 else "passthrough"
    X, X_test = flat(data.X_train[rows]), flat(data.X_test)
    data = data._replace(X_train=X, y_train=data.y_train[rows], X_test=X_test)
    box = perceptron(X, data.y_train, seed, width, scaler)
    return embed(data, box, make_kmex(box)["embed"].transform)


def embed(data, box, encode):
    Z, Z_test = encode(data.X_train), encode(data.X_test)
    return Embedded(
        Z, data.y_train, Z_test, data.y_test, box.predict_proba(data.X_test)
    )


def perceptron(X, y, seed, width, scaler):
    """Train a small network with one hidden layer, in seconds."""
    epochs = max(LEAST_EPOCHS, round(STEPS * BATCH / len(X)))
    mlp = MLPClassifier(
        (width,),
        batch_size=min(BATCH, len(X)),
        max_iter=epochs,
        n_iter_no_change=epochs,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # trained so long, and done
        return make_pipeline(scaler, mlp).fit(X, y)


def head(X, y):
    """Train a linear classifier on features that are embeddings."""
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)).fit(X, y)


def flat(X):
    return np.ascontiguousarray(X.reshape(len(X), -1), np.float32)

"""Compare a served model with the model itself."""

from itertools import product

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import Pipeline

from sklearn_kmex import KMExClassifier
from sklearn_kmex._model.metric import METRICS

SETTINGS = {
    "default": {},
    "one prototype": {"n_prototypes": 1},
    "mass": {"aggregation": "sum"},
    "mass, no two counts alike": {"aggregation": "sum", "n_prototypes": 0.02},
    "gaussian": {"similarity": "gaussian"},
    "gaussian mass": {"similarity": "gaussian", "aggregation": "sum"},
    "class priors": {"priors": "class"},
    "a class that is rare": {"priors": [0.91, *(0.01,) * 9]},
    "sharp": {"temperature": 1e-3},
    "flat": {"temperature": 50.0},
    "medoids": {"prototype": "medoid", "epsilon": 1e-8},
    "wide epsilon": {"epsilon": 0.5},
}
PRIORS = {
    "uniform": "uniform",
    "class": "class",
    "prototype": "prototype",
    "array": [0.3, 0.2, 0.1, 0.4],
}
RULES = list(product(METRICS, PRIORS, ("log", "gaussian"), ("max", "sum")))


def fit_rule(rule, X, y, **settings):
    """Fit a classifier of four classes, of different sizes, that decides by a rule."""
    metric, priors, similarity, aggregation = rule
    psem = KMExClassifier(
        {0: 1, 1: 2, 2: 3, 3: 3},
        metric=metric,
        priors=PRIORS[priors],
        similarity=similarity,
        aggregation=aggregation,
        n_init=1,
        random_state=0,
        **settings,
    )
    return psem.fit(X, y)


def four_digits(digits, dtype=np.float64):
    """Return training rows of four classes of different sizes, and test rows."""
    X, X_test, y, y_test = digits
    kept = (y < 4) & ((y != 1) | (np.arange(len(y)) % 3 == 0))
    return X[kept].astype(dtype), y[kept], X_test[y_test < 4].astype(dtype)


def run_graph(graph, **rows):
    """Run a graph that the checker accepts."""
    import onnx
    import onnxruntime

    onnx.checker.check_model(graph, full_check=True)
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    return session.run(None, rows)


def embed(psem, X):
    """Return the classifier at the end of a model, and its input."""
    if isinstance(psem, Pipeline):
        return psem[-1], psem[:-1].transform(X)
    return psem, X


def assert_same(answers, psem, X, atol=1e-4):
    """Check that labels are equal, and probabilities and similarities close."""
    labels, chances, prototypes, similarities = answers
    assert_array_equal(labels, psem.predict(X))
    assert_allclose(chances, psem.predict_proba(X), rtol=0, atol=atol)
    kmex, Z = embed(psem, X)
    told, ids = kmex.nearest_prototypes(Z, n=prototypes.shape[1])
    clear = np.ones(ids.shape, dtype=bool)  # prototypes whose order is certain
    apart = np.abs(np.diff(told, axis=1)) > 1e-5 * np.abs(told[:, :1])
    clear[:, 1:] &= apart
    clear[:, :-1] &= apart
    clear[:, -1] = clear[:, -1] & (prototypes.shape[1] == len(kmex.prototypes_))
    if prototypes.shape[1] == 1:
        clear[:] = True
    assert clear.mean() > 0.5
    assert_array_equal(prototypes[clear], ids[clear])
    assert_allclose(similarities, told, rtol=1e-4, atol=1e-4)

"""Models and reports for several tests, and a progress bar that counts."""

import importlib.util

import numpy as np
import pytest
from sems import Prototypes
from sklearn.datasets import load_iris

NEEDED = ("jinja2", "matplotlib", "PIL")
if any(importlib.util.find_spec(name) is None for name in NEEDED):
    collect_ignore_glob = ["test_*.py"]


class Bar:
    """Replaces a progress bar, and records its steps."""

    def __init__(self):
        self.steps = []

    def update(self, n):
        self.steps.append(n)


@pytest.fixture
def bar():
    return Bar()


@pytest.fixture
def evaluated(bar):
    """Evaluate a model of one column, given the places of its prototypes."""
    from sklearn_kmex.report._answers import evaluate

    def answers(prototypes, labels, X, y, black_box=None, **how):
        psem = prototypes
        if isinstance(prototypes, list):
            psem = Prototypes(prototypes, labels, **how)
        X = np.asarray(X, dtype=float).reshape(len(y), -1)
        return evaluate(psem, X, np.asarray(y), black_box, bar)

    return answers


@pytest.fixture(scope="session")
def iris():
    """Frame with names, labels that are words: X_train, X_test, y_train, y_test."""
    data = load_iris(as_frame=True)
    y = data.target_names[data.target]
    return data.data[::2], data.data[1::2], y[::2], y[1::2]


@pytest.fixture(scope="session")
def iris_psem(iris):
    from sklearn_kmex import KMExClassifier

    X, _, y, _ = iris
    return KMExClassifier(3, random_state=0).fit(X, y)


@pytest.fixture(scope="session")
def iris_report(iris, iris_psem):
    from sklearn_kmex.report import SEMReport

    X, X_test, y, y_test = iris
    return SEMReport(iris_psem, X_test, y_test, X_train=X, y_train=y)

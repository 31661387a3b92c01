"""One contract of relevance callables, and signatures that can be read."""

import inspect
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_kmex import KMExClassifier, RejectingClassifier, explain, inspection
from sklearn_kmex.explain import black_box_relevance, relevance
from sklearn_kmex.metrics import (
    average_drop_loss,
    local_lipschitz_error,
    make_faithfulness_scorer,
    make_robustness_scorer,
    relevance_divergence_loss,
)


@pytest.fixture(scope="module")
def network():
    pytest.importorskip("zennit")
    from networks import Written, images, psem_of, seeded

    return psem_of(seeded(Written)), images(), images(8, seed=1)


@pytest.mark.parametrize("wrapped", [False, True])
def test_relevance_of_the_package_fits_wherever_a_callable_is_taken(network, wrapped):
    psem, X_train, X = network
    given = psem
    if wrapped:
        given = RejectingClassifier(psem, cv=2).fit(X_train, np.arange(30) % 3)
        psem = given.estimator_
    fast = partial(relevance, method="gradient_x_input")
    labels = psem.predict(X)
    maps = fast(psem, X, labels=labels)

    loss = average_drop_loss(
        psem.predict_proba, X, maps, score_columns=labels, channel_axis=1
    )
    scorer = make_faithfulness_scorer(fast, channel_axis=1)
    assert scorer(given, X) == pytest.approx(-loss)
    theirs = partial(black_box_relevance, method="gradient_x_input")
    divergence = relevance_divergence_loss(theirs(psem, X), maps)
    scorer = make_faithfulness_scorer(fast, relevance_black_box=theirs)
    assert scorer(given, X) == pytest.approx(-divergence)
    how = {"n_neighbors": 2, "random_state": 0}
    error = local_lipschitz_error(psem, X, fast, labels=labels, **how)
    assert make_robustness_scorer(fast, **how)(given, X) == pytest.approx(-error)
    found = explain.explain(given, X, relevance=fast)
    expected = fast(psem, X, prototypes=found.prototypes)
    assert_array_equal(found.relevance, expected)
    by_name = explain.explain(given, X, relevance="gradient_x_input")
    assert_array_equal(by_name.relevance, fast(psem, X, "margin"))


def test_defaults_fit_as_well(network):
    psem, _, X = network
    scorer = make_faithfulness_scorer(relevance=relevance, channel_axis=1)
    assert -1 <= scorer(psem, X) <= 0
    assert make_robustness_scorer(relevance, n_neighbors=1)(psem, X) < 0


def test_callables_get_labels_rather_than_codes():
    X = np.array([[0.0], [1.0], [10.0], [11.0]])
    psem = KMExClassifier(1, random_state=0).fit(X, np.array(["b", "b", "a", "a"]))
    seen = []

    def maps(psem, X, labels):
        seen.append(labels)
        return np.ones(np.shape(X))

    make_faithfulness_scorer(maps)(psem, X)
    assert_array_equal(seen[0], ["b", "b", "a", "a"])


FUNCTIONS = [getattr(explain, name) for name in explain.__all__] + [
    getattr(inspection, name).from_estimator for name in inspection.__all__
]


@pytest.mark.parametrize("one", FUNCTIONS, ids=lambda one: one.__qualname__)
def test_signatures_say_array_like(one):
    signature = str(inspect.signature(one))
    for expanded in ("_SupportsArray", "_NestedSequence", "numpy.ndarray[", "Buffer"):
        assert expanded not in signature


def test_settings_are_spelled_out():
    for one in FUNCTIONS:
        kinds = [p.kind for p in inspect.signature(one).parameters.values()]
        assert inspect.Parameter.VAR_KEYWORD not in kinds


def test_seeds_are_none_by_default():
    for one in FUNCTIONS:
        parameters = inspect.signature(one).parameters
        if "random_state" in parameters:
            assert parameters["random_state"].default is None

"""What holds for every model that KMEx is compared to."""

import pickle

import numpy as np
import pytest

pytest.importorskip("skorch")

import torch
from sklearn.base import clone
from study.comparison_models import MODELS, make

from sklearn_kmex import KMExClassifier
from sklearn_kmex.metrics import audit, sem_scorers

pytestmark = pytest.mark.slow

NAMES = np.array([f"digit {code}" for code in range(10)])


def as_images(X):
    return (X / 16).astype(np.float32).reshape(-1, 1, 8, 8)


@pytest.fixture(scope="module")
def data(digits):
    X_train, X_test, y_train, y_test = digits
    return as_images(X_train), as_images(X_test), NAMES[y_train], NAMES[y_test]


@pytest.fixture(scope="module", params=sorted(MODELS))
def model(request, data):
    X_train, _, y_train, _ = data
    model = make(request.param, X_train.shape[1:], seed=0, quick=True)
    return model.fit(X_train, y_train)


def test_digits_are_told_apart(model, data):
    _, X_test, _, y_test = data
    assert np.mean(model.predict(X_test) == y_test) > 0.9
    probabilities = model.predict_proba(X_test)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    labels = model.classes_[probabilities.argmax(axis=1)]
    np.testing.assert_array_equal(labels, model.predict(X_test))


def test_it_follows_the_protocol(model, data):
    _, X_test, _, _ = data
    np.testing.assert_array_equal(model.classes_, NAMES)
    assert model.transform(X_test).shape == (len(X_test), 50)
    assert model.prototypes_.shape == (50, model.embed(X_test).shape[1])
    assert model.prototype_classes_.shape == (50,)
    assert set(model.prototype_classes_) <= set(NAMES)


def test_a_training_image_of_the_class_shows_each_prototype(model, data):
    X_train, _, y_train, _ = data
    rows = model.prototype_indices_
    np.testing.assert_array_equal(y_train[rows], model.prototype_classes_)
    similarities = model.transform(X_train)
    for prototype, row in enumerate(rows):
        own = y_train == model.prototype_classes_[prototype]
        largest = similarities[own, prototype].max()
        assert similarities[row, prototype] == pytest.approx(largest, abs=1e-5)


def test_the_metrics_judge_it(model, data):
    _, X_test, _, y_test = data
    scorers = sem_scorers(black_box=None)
    scores = {name: scorer(model, X_test, y_test) for name, scorer in scorers.items()}
    assert scores["accuracy"] > 0.9
    assert 0 < scores["transparency"] <= 1
    assert 0 < scores["diversity"] <= 1
    assert len(audit(model, X_test, y_test).suspect_rows) < len(X_test) / 5


def test_kmex_runs_on_its_embeddings(model, data):
    X_train, X_test, y_train, y_test = data
    kmex = KMExClassifier(random_state=0).fit(model.embed(X_train), y_train)
    assert kmex.score(model.embed(X_test), y_test) > 0.9


def test_it_is_saved_as_it_is(model, data):
    _, X_test, _, _ = data
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.transform(X_test), model.transform(X_test))


@pytest.mark.parametrize("name", MODELS)
def test_a_seed_decides_and_nothing_else_does(name, data):
    X, _, y, _ = (part[:150] for part in data)
    model = make(name, X.shape[1:], seed=3).set_params(max_epochs=2, n_prototypes=2)
    first = model.fit(X, y).transform(X)
    state = torch.get_rng_state()
    again = clone(model).fit(X, y)
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_allclose(again.transform(X), first, rtol=1e-4, atol=1e-4)
    assert len(again.prototypes_) == 20
    other = clone(model).set_params(random_state=4).fit(X, y)
    assert not np.allclose(other.transform(X), first, rtol=1e-2)


@pytest.mark.parametrize("name", MODELS)
def test_parameters_are_kept_by_a_clone(name):
    model = make(name, (1, 28, 28)).set_params(lr=0.5, module__width=3)
    kept = clone(model).get_params()
    assert kept["lr"] == 0.5
    assert kept["module__width"] == 3
    assert kept["random_state"] == 0
    assert kept["n_prototypes"] == 5


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 30, 45)])
def test_images_may_have_colours_and_odd_sides(name, shape):
    X = np.random.default_rng(0).random((20, *shape), dtype=np.float32)
    model = make(name, shape).set_params(max_epochs=1, batch_size=10)
    assert model.fit(X, np.arange(20) % 2).transform(X).shape == (20, 10)


@pytest.mark.parametrize("name", MODELS)
def test_bad_input_is_refused(name):
    with pytest.raises(ValueError, match=r"images of shape .* got \(4, 64\). Reshape"):
        make(name, (1, 8, 8)).fit(np.zeros((4, 64)), [0, 1, 0, 1])
    with pytest.raises(ValueError, match="y must have two classes or more"):
        make(name, (1, 8, 8)).fit(np.zeros((2, 1, 8, 8)), [1, 1])


def test_a_model_has_a_name():
    with pytest.raises(ValueError, match="one of ProtoPNet, ProtoVAE, FLINT; got 'x'"):
        make("x", (1, 8, 8))

"""Attributes: few for each image, all of them for all images."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import entropy

pytest.importorskip("skorch")

from study.flint import FLINT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(digits):
    X, _, y, _ = digits
    return (X[:800] / 16).astype(np.float32).reshape(-1, 1, 8, 8), y[:800]


def fitted(data, **how):
    return FLINT(max_epochs=12, batch_size=32, random_state=0, **how).fit(*data)


@pytest.fixture(scope="module")
def model(data):
    return fitted(data)


def entropy_of_images(model, X):
    return entropy(softmax(model.transform(X), axis=1), axis=1).mean()


def entropy_of_the_mean(model, X):
    return entropy(softmax(model.transform(X).mean(axis=0)))


def test_conciseness_leaves_few_attributes_for_each_image(model, data):
    X, _ = data
    without = fitted(data, conciseness=0)
    assert entropy_of_images(model, X) < 0.6
    assert entropy_of_images(without, X) > 1.2


def test_diversity_makes_use_of_more_attributes(model, data):
    X, _ = data
    without = fitted(data, diversity=0)
    assert entropy_of_the_mean(model, X) > 3.5
    assert entropy_of_the_mean(without, X) < 2


def test_sparsity_makes_attributes_small(model, data):
    X, _ = data
    assert model.transform(X).mean() < fitted(data, sparsity=0).transform(X).mean()


def test_attributes_are_not_negative(model, data):
    attributes = model.transform(data[0])
    assert attributes.min() == 0 < attributes.max()


def test_the_interpreter_says_what_the_predictor_says(model, data):
    X, y = data
    said = model.classes_[model.black_box_output(X).argmax(axis=1)]
    assert np.mean(said == y) > 0.95
    assert np.mean(said == model.predict(X)) > 0.95


def test_an_attribute_belongs_to_the_class_that_it_speaks_for(model):
    weights = model.module_.interpreter.weight.detach().numpy()
    labels = model.classes_[weights.argmax(axis=0)]
    np.testing.assert_array_equal(model.prototype_classes_, labels)


def test_its_vector_is_that_of_the_image_that_lights_it_up(model, data):
    X, _ = data
    shown = model.transform(X[model.prototype_indices_])
    np.testing.assert_allclose(model.prototypes_, shown, rtol=1e-4, atol=1e-4)

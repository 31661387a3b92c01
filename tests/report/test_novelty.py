"""Quantiles, the threshold and the histogram, by hand and by numpy."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_kmex.report._known import TEST, TRAINING, Known
from sklearn_kmex.report._novelty import bin_edges, novelty


def of(best, training=None):
    answers = SimpleNamespace(similarity=np.asarray(best))
    if training is None:
        return novelty(answers, None, Known([], TEST))
    return novelty(answers, np.asarray(training, float), Known([], TRAINING))


def test_by_hand():
    # Of the training samples 0 to 100, 1 % are below 1; of four samples, two are.
    found = of([0.5, 0.9, 1, 50], np.arange(101))
    assert found["threshold"] == 1
    assert found["below"]["value"] == 2 / 4
    quantiles = {one["share"]: one["similarity"] for one in found["quantiles"]}
    assert quantiles[0] == 0.5
    assert quantiles[0.5] == pytest.approx(0.95)
    assert quantiles[1] == 50
    assert list(quantiles) == [0, 0.01, 0.05, 0.25, 0.5, 0.75, 1]
    edges = found["histogram"]["edges"]
    assert (edges[0], edges[-1], len(edges)) == (0, 100, 25)
    assert sum(found["histogram"]["samples"]) == 4
    assert found["histogram"]["samples"][0] == 3
    assert sum(found["histogram"]["training"]) == 101


def test_without_training_rows_there_is_no_threshold():
    found = of([1, 2, 3])
    assert found["threshold"] is found["below"] is None
    assert found["histogram"]["training"] is None
    edges = found["histogram"]["edges"]
    assert (edges[0], edges[-1]) == (1, 3)


def test_training_rows_of_the_same_kind_leave_one_in_a_hundred_below(iris_report, iris):
    found = iris_report.to_dict()["novelty"]
    assert found["below"]["high"] > 0
    assert sum(found["histogram"]["samples"]) == len(iris[1])
    assert sum(found["histogram"]["training"]) == len(iris[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [1, -7, 0, 1e-30])
def test_similarities_that_only_rounding_tells_apart(dtype, value):
    one = dtype(value)
    best = np.array([one, np.nextafter(one, dtype(9)), one])
    found = of(best)["histogram"]
    assert sum(found["samples"]) == 3
    assert (np.diff(found["edges"]) > 0).all()


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_every_sample_is_in_a_bin(best):
    best = np.array(best)
    edges = bin_edges(best)
    assert np.histogram(best, edges)[0].sum() == len(best)
    assert (np.diff(edges) > 0).all()

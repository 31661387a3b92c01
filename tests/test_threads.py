"""Threads of matrix products during a fit."""

from typing import ClassVar

import numpy as np
import pytest
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_kmex import KMExClassifier


def blas_threads():
    found = (lib for lib in threadpool_info() if lib["user_api"] == "blas")
    return {lib["num_threads"] for lib in found}


class Threads(KMeans):
    """KMeans that remembers how many threads a matrix product may use."""

    seen: ClassVar[set] = set()

    def fit(self, X, y=None, sample_weight=None):
        self.seen.update(blas_threads())
        return super().fit(X, sample_weight=sample_weight)


@pytest.mark.parametrize(("n_features", "n_threads"), [(5, 1), (11_000, 2)])
def test_a_fit_to_few_values_uses_one_thread(n_features, n_threads):
    X = np.random.RandomState(0).normal(size=(100, n_features)).astype(np.float32)
    clusterer, settings = Threads(n_init=1), {"temperature": 1.0, "n_prototypes": 1}
    Threads.seen.clear()
    with threadpool_limits(2, user_api="blas"):
        KMExClassifier(clusterer=clusterer, **settings).fit(X, np.arange(100) % 2)
        assert Threads.seen == {n_threads}
        after = {b["num_threads"] for b in threadpool_info() if b["user_api"] == "blas"}
    assert after == {2}

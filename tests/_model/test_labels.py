"""Labels: what kind of values they are."""

import numpy as np

from sklearn_kmex._model.labels import kind_of


def test_kinds_of_mixed_objects():
    assert kind_of(np.array(["a", 1], dtype=object)) == "O"
    assert kind_of(np.array([None, None])) == "O"

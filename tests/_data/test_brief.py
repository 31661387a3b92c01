"""Lists in messages."""

import numpy as np
import pytest

from sklearn_kmex import KMExClassifier
from sklearn_kmex._data.brief import brief
from sklearn_kmex.edit import rename


@pytest.mark.parametrize("values", [[0, 1], ["a"], np.array([1.5, 2]), range(20), []])
def test_a_short_list_is_shown_whole(values):
    assert brief(values) == str(np.asarray(values).tolist())


def test_a_message_about_many_classes_is_short():
    X, y = np.arange(4000.0).reshape(2000, 2), np.arange(2000) // 2
    weights = np.where(y < 100, 1.0, 0.0)
    with pytest.raises(ValueError, match=r"of \[100, 101, 102, 103, 104, \.\.\.\] "):
        KMExClassifier(1).fit(X, y, sample_weight=weights)
    psem = KMExClassifier(1).fit(X, y)
    with pytest.raises(ValueError, match=r"\(1,000 in all\)") as caught:
        rename(psem, {5000: 1})
    assert len(str(caught.value)) < 300

"""Graphs and modules decide as the model does, also for rows of any size."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris

from sklearn_kmex import KMExClassifier

X, y = load_iris(return_X_y=True)
RULES = [
    {},
    {"aggregation": "sum", "priors": "class"},
    {"similarity": "gaussian", "aggregation": "sum"},
]
SIZES = [(np.float64, -300), (np.float64, -66), (np.float64, 300), (np.float32, -60)]


def fit(rows, **rule):
    return KMExClassifier(2, random_state=0, **rule).fit(rows, y)


@pytest.mark.filterwarnings("ignore:The log similarity is nearly the same")
@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize(("dtype", "power"), SIZES)
def test_graphs_of_rows_of_any_size(dtype, power, rule):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("skl2onnx")
    from sklearn_kmex.export import to_onnx

    rows = np.ldexp(X.astype(dtype), power)
    psem = fit(rows, **rule)
    graph = to_onnx(psem, rows).SerializeToString()
    session = onnxruntime.InferenceSession(graph)
    labels, chances, ids, _ = session.run(None, {session.get_inputs()[0].name: rows})
    assert_array_equal(labels, psem.predict(rows))
    assert_allclose(chances, psem.predict_proba(rows), atol=1e-5)
    assert_array_equal(ids, psem.nearest_prototypes(rows, ids.shape[1])[1])


@pytest.mark.filterwarnings("ignore:The log similarity is nearly the same")
@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("power", [-60, 40])
def test_modules_of_rows_of_any_size(power, rule):
    torch = pytest.importorskip("torch")
    from sklearn_kmex.export import to_torch

    rows = np.ldexp(X.astype(np.float32), power)
    psem = fit(rows, **rule)
    answers = to_torch(psem)(torch.from_numpy(rows))
    assert_array_equal(answers["class_index"], psem.predict(rows))
    assert_allclose(answers["probabilities"], psem.predict_proba(rows), atol=1e-5)

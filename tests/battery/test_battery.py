"""The battery: of all kinds of models, no step fails with a raw error."""

from functools import partial

import numpy as np
import pytest

pytest.importorskip("pandas")
pytest.importorskip("skops")
pytest.importorskip("safetensors")
pytest.importorskip("jinja2")
from battery.cases import case, number_rows, plain
from battery.judge import FAILED, REFUSED, STEPS, WORKS, attempt, judge
from battery.kinds import all_kinds
from sklearn.decomposition import PCA

from sklearn_kmex import KMExClassifier, make_kmex

KINDS = {
    f"{group}: {name}": make
    for group, kinds in all_kinds().items()
    for name, make in kinds.items()
}


def test_there_are_at_least_sixty_kinds():
    assert len(KINDS) >= 60


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_each_step_works_or_is_refused_in_a_sentence(kind):
    steps = judge(KINDS[kind]())["steps"]
    assert {name: of for name, of in steps.items() if of[0] == FAILED} == {}
    assert steps["fit"][0] == REFUSED or list(steps) == list(STEPS)


@pytest.mark.filterwarnings("ignore")
def test_a_model_that_works_in_each_step():
    pytest.importorskip("skl2onnx")
    pytest.importorskip("onnxruntime")
    steps = judge(plain(PCA(2)))["steps"]
    assert {name: of[0] for name, of in steps.items()} == dict.fromkeys(STEPS, WORKS)


def test_a_sentence_of_the_package_is_a_refusal_and_another_error_a_failure():
    def of_numpy():
        np.zeros(2) + np.zeros(3)

    unfit = partial(KMExClassifier(0).fit, *number_rows())
    assert attempt(partial(make_kmex, object()))[0][0] == REFUSED
    assert attempt(of_numpy)[0][0] == FAILED
    assert attempt(unfit)[0][0] == FAILED  # an error of scikit-learn


def test_wrong_results_are_failures(monkeypatch):
    made = case(PCA(2), number_rows())
    psem = make_kmex(made.model, n_prototypes=1, metric="euclidean").fit(made.X, made.y)
    monkeypatch.setattr(type(psem), "predict", lambda self, X: np.zeros(len(X), int))
    outcome, _ = attempt(lambda: STEPS["predict"](made, psem))
    assert outcome == [FAILED, "AssertionError: two predictions"]

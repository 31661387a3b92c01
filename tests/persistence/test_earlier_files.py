"""Files of an earlier version, one of each kind, load with the same predictions."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

from sklearn_kmex.edit import drop_prototypes
from sklearn_kmex.persistence import load_psem, save_psem

FILES = Path(__file__).parent / "files"
KINDS = sorted(path.stem for path in FILES.glob("*.safetensors"))
TREES = ["sklearn.tree._tree.Tree"]


def load(kind):
    module = None
    if kind == "torch":
        nn = pytest.importorskip("torch.nn")
        module = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    return load_psem(FILES / f"{kind}.safetensors", module, trusted=TREES)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_earlier_file_answers_as_it_did(kind):
    pytest.importorskip("safetensors")
    pytest.importorskip("skops")
    psem = load(kind)
    with np.load(FILES / "answers.npz") as answers:
        X = answers["X"]
        np.testing.assert_array_equal(psem.predict(X), answers[f"{kind}_labels"])
        np.testing.assert_allclose(
            psem.predict_proba(X), answers[f"{kind}_probabilities"], rtol=1e-5
        )


def test_earlier_log_of_edits_has_the_present_keys():
    pytest.importorskip("safetensors")
    pytest.importorskip("skops")
    (entry,) = load("edited").edit_log_
    assert entry["what"] == "drop_prototypes"
    assert entry["reason"] == "looks like another class"
    assert "why" not in entry


def test_earlier_log_of_edits_goes_on(tmp_path):
    pytest.importorskip("safetensors")
    pytest.importorskip("skops")
    psem = drop_prototypes(load("edited"), [0], reason="too rare")
    save_psem(psem, tmp_path / "psem")
    log = load_psem(tmp_path / "psem").edit_log_
    assert log == psem.edit_log_
    assert [one["reason"] for one in log] == ["looks like another class", "too rare"]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_earlier_file_keeps_its_parameters(kind):
    pytest.importorskip("safetensors")
    pytest.importorskip("skops")
    psem = load(kind)
    parameters = clone(psem).get_params()
    assert set(parameters) == set(psem.get_params())
    if kind == "classifier_cv":
        assert [1, 2, 3] in parameters.values()


def test_every_kind_is_there():
    assert len(KINDS) == 9


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
def test_earlier_trees_embed_which_leaf_a_row_is_in(tmp_path):
    pytest.importorskip("safetensors")
    pytest.importorskip("skops")
    psem = load("forest")
    assert (psem["embed"].leaves, psem["embed"].out_of_bag) == ("identity", False)
    save_psem(psem, tmp_path / "psem")
    again = load_psem(tmp_path / "psem", trusted=TREES)["embed"]
    assert (again.leaves, again.out_of_bag) == ("identity", False)

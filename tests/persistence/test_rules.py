"""save_psem and load_psem keep how prototypes decide, and how that was chosen."""

import pytest
from numpy.testing import assert_array_equal
from served import PRIORS, RULES, fit_rule, four_digits

from sklearn_kmex import KMExClassifier, KMExClassifierCV
from sklearn_kmex.persistence import load_psem, save_psem

pytest.importorskip("skops")
pytest.importorskip("safetensors")


@pytest.mark.parametrize("rule", RULES, ids="-".join)
def test_every_rule_is_loaded_as_it_was(rule, digits, tmp_path):
    X, y, X_test = four_digits(digits)
    psem = fit_rule(rule, X[:200], y[:200], temperature=2.0)
    save_psem(psem, tmp_path / "psem")
    loaded = load_psem(tmp_path / "psem")
    assert set(vars(loaded)) == set(vars(psem))
    assert_array_equal(loaded.predict_proba(X_test), psem.predict_proba(X_test))
    for model in (psem, loaded):
        model.partial_fit(X[200:], y[200:])
    assert_array_equal(loaded.predict_proba(X_test), psem.predict_proba(X_test))


@pytest.mark.parametrize("priors", [*PRIORS, "auto"])
@pytest.mark.parametrize("kind", [KMExClassifierCV, KMExClassifier])
def test_results_of_its_own_search_are_loaded(kind, priors, digits, tmp_path):
    X, y, X_test = four_digits(digits)
    psem = kind(2, metric="auto", priors=PRIORS.get(priors, priors), random_state=0)
    save_psem(psem.fit(X, y), tmp_path / "psem")
    loaded = load_psem(tmp_path / "psem")
    assert_array_equal(loaded.predict_proba(X_test), psem.predict_proba(X_test))
    assert loaded.best_params_ == psem.best_params_
    assert loaded.best_index_ == psem.best_index_
    assert loaded.cv_results_["params"] == psem.cv_results_["params"]
    assert set(loaded.cv_results_) == set(psem.cv_results_)
    for name, column in loaded.cv_results_.items():
        assert_array_equal(column, psem.cv_results_[name])

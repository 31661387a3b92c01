"""Models without torch saved by skops.io: the types that have to be trusted."""

import sys

import pytest
from numpy.testing import assert_array_equal
from saved import NAMES, predict_elsewhere

from sklearn_kmex import KMExClassifier
from sklearn_kmex.persistence import TRUSTED_TYPES

skops = pytest.importorskip("skops.io")


@pytest.mark.parametrize("name", NAMES)
def test_exactly_these_types_have_to_be_trusted(models, name):
    psem, types = models[name]
    assert skops.get_untrusted_types(data=skops.dumps(psem)) == sorted(types)


def test_files_of_skops_give_the_same_predictions_without_torch(
    models, digits, tmp_path
):
    paths = [tmp_path / f"{name}.skops" for name in NAMES]
    for name, path in zip(NAMES, paths, strict=True):
        skops.dump(models[name][0], path)
    answers = predict_elsewhere(paths, digits[1])
    for name, (labels, chances) in zip(NAMES, answers, strict=True):
        assert_array_equal(labels, models[name][0].predict(digits[1]))
        assert_array_equal(chances, models[name][0].predict_proba(digits[1]))


def test_trusted_types_exist():
    for name in TRUSTED_TYPES:
        module, _, kind = name.rpartition(".")
        assert isinstance(getattr(sys.modules[module], kind), type)


@pytest.mark.parametrize("labels", ["int", "bool", "text", "object"])
def test_labels_keep_their_type(labels, digits):
    X, _, y, _ = digits
    made = {
        "int": y,
        "bool": y > 4,
        "text": y.astype(str),
        "object": y.astype(str).astype(object),
    }
    psem = KMExClassifier(2, random_state=0).fit(X[:300], made[labels][:300])
    loaded = skops.loads(skops.dumps(psem), trusted=TRUSTED_TYPES)
    assert loaded.classes_.dtype == psem.classes_.dtype
    assert_array_equal(loaded.predict(X), psem.predict(X))


def test_a_stream_goes_on_after_loading(digits):
    X, X_test, y, _ = digits
    psem = KMExClassifier(2, random_state=0).partial_fit(X[:300], y[:300])
    loaded = skops.loads(skops.dumps(psem), trusted=TRUSTED_TYPES)
    for model in (psem, loaded):
        model.partial_fit(X[300:600], y[300:600])
    assert_array_equal(loaded.predict_proba(X_test), psem.predict_proba(X_test))

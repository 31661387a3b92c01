"""Boosted models of other libraries in files, each in the library's own format."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline

from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex.embedding import TreeEmbedder
from sklearn_kmex.exceptions import ModelFileError
from sklearn_kmex.persistence import _file, load_psem, save_psem
from sklearn_kmex.persistence._boosters import (
    SavedLightGBM,
    SavedXGBoost,
    with_boosters,
    without_boosters,
)

pd = pytest.importorskip("pandas")
pytest.importorskip("skops")
pytest.importorskip("safetensors")
from forged import array_of, forge, members_of, npy, zipped

SETTINGS = {
    "xgboost": {"n_estimators": 4, "max_depth": 3, "n_jobs": 1},
    "lightgbm": {"n_estimators": 4, "n_jobs": 1, "verbose": -1, "min_child_samples": 5},
    "catboost": {
        "iterations": 4,
        "verbose": False,
        "allow_writing_files": False,
        "random_seed": 0,
    },
}
KINDS = {
    "xgboost": ("XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRanker"),
    "lightgbm": ("LGBMClassifier", "LGBMRegressor", "LGBMRanker"),
    "catboost": ("CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker"),
}
LIBRARIES = tuple(SETTINGS)


def boosted(library, kind=None, **settings):
    module = pytest.importorskip(library)
    make = getattr(module, kind or KINDS[library][0])
    return make(**SETTINGS[library], **settings)


def categories():
    """Numbers with gaps, categories with gaps, and two classes by both."""
    rng = np.random.RandomState(0)
    frame = pd.DataFrame(
        {
            "age": rng.randint(18, 80, 150).astype(float),
            "job": rng.choice(["clerk", "nurse", "smith"], 150),
            "income": rng.rand(150),
        }
    )
    y = np.where((frame.age > 40) ^ (frame.job == "nurse"), "yes", "no")
    frame.loc[rng.rand(150) < 0.2, "age"] = np.nan
    frame["job"] = frame["job"].mask(rng.rand(150) < 0.2).astype("category")
    return frame, y


def of_categories(library):
    """Fit a model of a library to categories; return it, rows and labels."""
    frame, y = categories()
    if library == "catboost":  # it takes text, without gaps
        frame["job"] = frame["job"].astype(object).fillna("none")
        return boosted(library, cat_features=["job"]).fit(frame, y), frame, y
    if library == "xgboost":  # it takes codes as labels
        model = boosted(library, enable_categorical=True)
        return model.fit(frame, (y == "yes").astype(int)), frame, y
    if library == "lightgbm":
        return boosted(library).fit(frame, y), frame, y
    model = HistGradientBoostingClassifier(
        max_iter=4, categorical_features="from_dtype", random_state=0
    )
    return model.fit(frame, y), frame, y


def of_trees(model, X, y):
    """Return a fitted psem whose embedding is that of a model of trees."""
    kmex = KMExClassifier(1, random_state=0)
    return make_pipeline(TreeEmbedder(model), kmex).fit(X, y)


def embedded(library):
    return of_trees(*of_categories(library))


@pytest.mark.parametrize("library", [*LIBRARIES, "sklearn_boosting"])
def test_a_model_with_categories_comes_back_by_one_word(library, tmp_path):
    model, frame, y = of_categories(library)
    psem = make_kmex(
        model,
        n_prototypes=2,
        metric="euclidean",
        similarity="log",
        aggregation="max",
        priors="uniform",
        random_state=0,
    ).fit(frame, y)
    save_psem(psem, tmp_path / "psem")
    with pytest.raises(ModelFileError, match=rf"not trusted: {library}\. Name them"):
        load_psem(tmp_path / "psem")
    loaded = load_psem(tmp_path / "psem", trusted=library)
    assert_array_equal(loaded.predict_proba(frame), psem.predict_proba(frame))
    held = loaded["embed"].get_params(deep=False).values()
    again = next(one for one in held if isinstance(one, type(model)))
    assert type(again) is type(model)
    assert repr(again.get_params()) == repr(model.get_params())
    assert_array_equal(again.classes_, model.classes_)
    names = again.feature_names_ if library == "catboost" else again.feature_names_in_
    assert list(names) == list(frame.columns)
    assert again.n_features_in_ == 3
    assert_array_equal(again.predict_proba(frame), model.predict_proba(frame))
    save_psem(loaded, tmp_path / "again")
    assert_array_equal(
        load_psem(tmp_path / "again", trusted=[library]).predict(frame),
        psem.predict(frame),
    )


@pytest.mark.parametrize(
    ("library", "kind"), [(of, kind) for of in LIBRARIES for kind in KINDS[of]]
)
def test_all_models_of_a_library_predict_alike(library, kind, digits):
    X, X_test, y, _ = (part[:200] for part in digits)
    grouped = {"group_id" if library == "catboost" else "qid": np.arange(200) // 20}
    model = boosted(library, kind)
    if library == "lightgbm" and kind == "LGBMRanker":
        grouped = {"group": [20] * 10}
    model.fit(X, y % 3, **(grouped if kind.endswith("Ranker") else {}))
    again = with_boosters(without_boosters(make_pipeline(model)))[-1]
    assert again is not model
    assert_array_equal(again.predict(X_test), model.predict(X_test))
    assert repr(again.get_params()) == repr(model.get_params())


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_native_boosters_and_early_stopping(library, digits):
    X, X_test, y, y_test = (part[:200] for part in digits)
    stopped = boosted(library, early_stopping_rounds=1, learning_rate=0.9)
    stopped.set_params(n_estimators=30).fit(X, y > 4, eval_set=[(X_test, y_test > 4)])
    booster = stopped.get_booster() if library == "xgboost" else stopped.booster_
    again, native = with_boosters(without_boosters([stopped, booster]))
    assert_array_equal(again.predict_proba(X_test), stopped.predict_proba(X_test))
    assert type(native) is type(booster)
    assert native.best_iteration == booster.best_iteration
    assert type(again).__name__ == type(stopped).__name__
    if library == "lightgbm":
        assert_array_equal(native.predict(X_test), booster.predict(X_test))
        assert again.best_score_ == stopped.best_score_
    else:
        assert_array_equal(
            native.inplace_predict(X_test), booster.inplace_predict(X_test)
        )


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_model_that_is_not_fitted_has_no_trees(library):
    model = boosted(library)
    again = with_boosters(without_boosters([model]))[0]
    assert repr(again.get_params()) == repr(model.get_params())


@pytest.mark.parametrize("loss", ["squared_error", "huber", "quantile"])
def test_the_word_for_boosting_of_scikit_learn_is_enough(loss, digits, tmp_path):
    X, X_test, y, _ = (part[:200] for part in digits)
    model = GradientBoostingRegressor(n_estimators=2, loss=loss, random_state=0)
    psem = of_trees(model.fit(X, y), X, y)
    save_psem(psem, tmp_path / "psem")
    loaded = load_psem(tmp_path / "psem", trusted="sklearn_boosting")
    assert_array_equal(loaded.predict_proba(X_test), psem.predict_proba(X_test))


def test_files_of_lightgbm_of_earlier_versions(tmp_path, monkeypatch):
    model, frame, y = of_categories("lightgbm")
    psem = of_trees(model, frame, y)
    monkeypatch.setattr(_file, "without_boosters", lambda psem: psem)
    save_psem(psem, tmp_path / "psem")
    loaded = load_psem(tmp_path / "psem", trusted="lightgbm")
    assert_array_equal(loaded.predict_proba(frame), psem.predict_proba(frame))


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_no_library_is_imported_before_it_is_trusted(library, tmp_path):
    save_psem(embedded(library), tmp_path / "psem")
    code = f"""
import sys
from sklearn_kmex.persistence import load_psem
try:
    load_psem({str(tmp_path / "psem")!r})
except Exception as error:
    print(type(error).__name__, {library!r} in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["ModelFileError", "False"], done.stderr


def with_array(path, change):
    """Change the trees in a file, and set a valid checksum."""
    raw = path.read_bytes()
    members = members_of(raw)
    name = max(members, key=lambda name: name.endswith(".npy") and len(members[name]))
    trees = array_of(members[name])
    assert trees.dtype == np.uint8
    members[name] = npy(change(trees))
    path.write_bytes(forge(raw, zipped(members.items())))


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
@pytest.mark.parametrize(
    "change",
    [
        lambda trees: trees[: len(trees) // 2],
        lambda trees: trees[:1],
        lambda trees: trees.astype(np.int64),
        lambda trees: trees[np.newaxis],
        lambda trees: np.frombuffer(b"cos\nsystem\n(S'true'\ntR.", np.uint8),
    ],
    ids=["cut", "a byte", "no bytes", "two axes", "a pickle"],
)
def test_trees_that_the_library_did_not_write(library, change, tmp_path):
    save_psem(embedded(library), tmp_path / "psem")
    with_array(tmp_path / "psem", change)
    with pytest.raises(ModelFileError, match="cannot be loaded"):
        load_psem(tmp_path / "psem", trusted=library)


def test_only_classes_of_the_library_are_built():
    pytest.importorskip("xgboost")
    for saved in (
        SavedXGBoost("system", {}, b""),
        SavedXGBoost("LGBMClassifier", {}, b""),
        SavedLightGBM("LGBMClassifier", [], b""),
        SavedLightGBM(["LGBMClassifier"], {}, b""),
    ):
        with pytest.raises(Exception, match="is not a model of the library"):
            with_boosters([saved])


def test_trees_are_in_the_format_of_the_library(tmp_path):
    starts = {"xgboost": b"{", "lightgbm": b"tree\nversion=", "catboost": b"CBM1"}
    for library, start in starts.items():
        saved = without_boosters([of_categories(library)[0]])[0]
        assert saved.trees.tobytes().startswith(start)

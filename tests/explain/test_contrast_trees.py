"""Contributions behind trees in the columns of the table, and their reasons."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sems import Prototypes
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from sklearn_kmex import KMExClassifier
from sklearn_kmex.embedding import TreeEmbedder
from sklearn_kmex.explain import Contrast, contrast, explain


@pytest.fixture(scope="module")
def credit():
    """A table, and a model of it behind encoders and a forest."""
    rng = np.random.RandomState(0)
    n = 300
    X = pd.DataFrame(
        {
            "age": np.where(rng.random(n) < 0.1, np.nan, rng.normal(40, 9, n)),
            "income": rng.normal(size=n),
            "constant": 1.0,
            "job": rng.choice(list("abc"), n),
            "size": rng.choice(list("sml"), n),
        }
    )
    y = np.where((X["income"] > 0) | (X["job"] == "a"), "good", "bad")
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = make_column_transformer(
        (numbers, ["age", "income", "constant"]),
        (OneHotEncoder(), ["job"]),
        (OrdinalEncoder(), ["size"]),
    )
    Z = columns.fit_transform(X)
    forest = RandomForestClassifier(20, min_samples_leaf=3, random_state=0).fit(Z, y)
    kmex = KMExClassifier(2, random_state=0, temperature=1.0, metric="cosine")
    return X, make_pipeline(columns, TreeEmbedder(forest), kmex).fit(X, y)


@pytest.mark.parametrize("method", ["tree_shap", "path"])
def test_contributions_are_those_of_the_table(credit, method):
    X, psem = credit
    found = contrast(psem, X, method=method)
    assert found.space == "input"
    assert found.method == method
    assert found.feature_names.tolist() == X.columns.tolist()
    total = found.contributions.sum(axis=1) + found.base
    assert_allclose(total, found.margin, rtol=1e-9)
    assert_array_equal(found.contributions[:, 2], 0)
    assert Contrast.from_json(found.to_json()).method == method


def test_the_two_columns_that_decide_lead(credit):
    X, psem = credit
    found = contrast(psem, X)
    leading = np.argsort(-np.abs(found.contributions), axis=1)[:, :2]
    assert (np.sort(leading) == [1, 3]).all(axis=1).mean() >= 0.95


def test_training_rows_stand_for_prototypes(credit):
    X, psem = credit
    assert pd.isna(contrast(psem, X[:5]).prototype_values).all()
    found = contrast(psem, X[:5], X_train=X)
    rows = psem[-1].prototype_indices_[found.prototypes]
    pd.testing.assert_frame_equal(
        pd.DataFrame(found.prototype_values, columns=X.columns),
        X.iloc[rows].reset_index(drop=True),
        check_dtype=False,
    )
    with pytest.raises(ValueError, match="X_train must hold the rows"):
        contrast(psem, X[:5], X_train=X[:1])


def test_reasons_name_the_leading_columns(credit):
    X, psem = credit
    found = contrast(psem, X)
    for row, reason in enumerate(found.reasons(1)):
        column = int(np.argmax(np.abs(found.contributions[row])))
        supports = found.contributions[row, column] > 0
        word = "similar to" if supports else "unlike"
        label, name = found.labels[row], found.feature_names[column]
        assert reason == f"{word} {label} in {name}"
    explanation = explain(psem, X, reasons=True)
    assert_array_equal(explanation.reasons, found.reasons())
    assert found.reasons()[0] in explanation.to_markdown()


def test_reasons_for_and_against_by_hand():
    model = Prototypes([[0, 0, 0], [4, 1, 4]], ["a", "b"])
    assert contrast(model, [[1, 1, 0]]).reasons()[0] == (
        "similar to a in x2 and x0, unlike it in x1"
    )
    same = Prototypes([[0, 0], [0, 0]], ["a", "b"])
    assert contrast(same, [[1, 1]]).reasons()[0] == "no column decides"


def test_a_method_of_trees_is_refused_without_trees():
    model = Prototypes([[0, 0], [4, 1]], ["a", "b"])
    with pytest.raises(ValueError, match="whose method is 'linear'; got 'path'"):
        contrast(model, [[1, 1]], method="path")


def test_words_behind_a_forest():
    texts = ["red apple pie", "red cherry pie", "old blue car", "fast blue car"] * 5
    y = ["food", "food", "car", "car"] * 5
    words = TfidfVectorizer().fit(texts)
    forest = RandomForestClassifier(10, random_state=0).fit(words.transform(texts), y)
    kmex = KMExClassifier(1, temperature=1.0)
    psem = make_pipeline(words, TreeEmbedder(forest, out_of_bag=False), kmex)
    with pytest.warns(UserWarning, match="different embeddings"):
        psem.fit(texts, y)
    found = contrast(psem, pd.Series(texts))
    assert found.space == "tfidfvectorizer"
    assert set(found.feature_names) == set(" ".join(texts).split())
    total = found.contributions.sum(axis=1) + found.base
    assert_allclose(total, found.margin)

"""Thousands of forged files: no crash, no hang, no growth, whatever they hold."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import RandomForestClassifier, RandomTreesEmbedding
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    StandardScaler,
    TargetEncoder,
)

from sklearn_kmex import (
    KMExClassifier,
    KMExClassifierCV,
    RejectingClassifier,
    make_kmex,
)
from sklearn_kmex.persistence import load_psem, save_psem

pytest.importorskip("skops")
pytest.importorskip("safetensors")

TESTS = Path(__file__).parents[1]
FILES = [150, pytest.param(10_500, marks=pytest.mark.slow)]


def kmex(*steps):
    return make_pipeline(*steps, KMExClassifier(2, random_state=0))


def make_bases():
    """Yield models, rows and labels, for all kinds of checks."""
    rng = np.random.RandomState(0)
    y = np.repeat(["a", "b"], 20)
    X = rng.normal(size=(40, 4)) + 3 * (y == "b")[:, np.newaxis]
    codes = rng.randint(0, 4, size=(40, 3)).astype(float)
    words = rng.choice(["a", "good", "nice", "bad", "awful", "film"], size=(40, 5))
    texts = np.array([" ".join(row) for row in words])
    mlp = MLPClassifier((3,), solver="lbfgs", random_state=0).fit(X, y)
    forest = RandomForestClassifier(3, max_depth=4, random_state=0).fit(X, y)
    infrequent = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=9)
    by_column = make_column_transformer(
        (OneHotEncoder(), [0]), (OrdinalEncoder(), [1]), (StandardScaler(), [2])
    )
    for psem, rows in (
        (KMExClassifier("auto", metric="auto", random_state=0), X),
        (kmex(StandardScaler(), PCA(2)), X),
        (make_pipeline(QuantileTransformer(n_quantiles=9), KMExClassifierCV(2)), X),
        (RejectingClassifier(kmex(PowerTransformer()), cv=2), X),
        (make_kmex(mlp, n_prototypes=2), X),
        (make_kmex(forest, n_prototypes=2), X),
        (make_kmex(forest, n_prototypes=2).set_params(embed__leaves="identity"), X),
        (kmex(TfidfVectorizer(), TruncatedSVD(2)), texts),
        (kmex(HashingVectorizer(n_features=32)), texts),
        (kmex(OneHotEncoder(drop="first", sparse_output=False)), codes),
        (kmex(infrequent), codes),
        (kmex(by_column), codes),
        (kmex(TargetEncoder()), codes),
        (kmex(KBinsDiscretizer(3), SelectKBest(k=4)), X),
        (kmex(SimpleImputer(), PolynomialFeatures(2)), X),
        (kmex(make_union(KMeans(3, n_init=1, random_state=0), StandardScaler())), X),
        (kmex(RandomTreesEmbedding(2, max_depth=3, random_state=0)), X),
    ):
        yield psem.fit(rows, y), rows[::13]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bases")
    for number, (psem, rows) in enumerate(make_bases()):
        save_psem(psem, folder / f"{number:02}.safetensors")
        np.save(folder / f"{number:02}.npy", rows)
        loaded = load_psem(folder / f"{number:02}.safetensors")
        assert (loaded.predict_proba(rows) == psem.predict_proba(rows)).all()
    return folder


@pytest.mark.parametrize("count", FILES)
def test_no_forged_file_ends_the_process_or_fills_its_memory(folder, count):
    number, found, n_loaded = 0, [], 0
    while number < count and len(found) < 5:
        command = [sys.executable, TESTS / "forged.py", folder, str(number), str(count)]
        child = subprocess.run(command, capture_output=True, text=True)
        lines = child.stdout.splitlines()
        found += [line for line in lines if not line.isdecimal()]
        if found and found[-1].startswith("done"):
            n_loaded += int(found.pop().split()[1])
            break
        number = 1 + max(
            [int(line) for line in lines if line.isdecimal()], default=count
        )
        found.append(
            f"{number - 1} ended the process: {child.returncode} {child.stderr}"
        )
    assert found == []
    assert 0.02 * count < n_loaded < count / 2

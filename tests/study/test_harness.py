"""The harness of the study: nothing is fitted on test rows, a stop costs one cell."""

import hashlib
import json
import sys

import numpy as np
import pytest

pytest.importorskip("skorch")
pytest.importorskip("matplotlib")
import skorch
import torch
from matplotlib.image import imread
from study import __main__ as study
from study import _store, black_boxes, comparison, data, networks, others, tables

import sklearn_kmex
from sklearn_kmex.embedding import SkorchEmbedder
from sklearn_kmex.explain import relevance

SMALL = 300


@pytest.fixture(autouse=True)
def without_cache(monkeypatch):
    """Train, whatever was trained before."""
    monkeypatch.setattr(black_boxes, "fit", black_boxes.fit.func)


def rows_of(X):
    """Hashes of rows."""
    X = np.asarray(X)
    flat = np.ascontiguousarray(X.reshape(len(X), -1), np.float32)
    return {hashlib.sha256(row.tobytes()).hexdigest() for row in flat}


class Watch:
    """Which rows were fitted on: as they are, or as embeddings of rows."""

    def __init__(self, monkeypatch, train):
        self.train, self.seen, self.fits = rows_of(train), set(), set()
        self.monkeypatch = monkeypatch

    def fit(self, estimator):
        fit = estimator.fit

        def watched(model, X, *args, **kwargs):
            self.seen |= rows_of(X)
            self.fits.add(type(model).__name__)
            return fit(model, X, *args, **kwargs)

        self.monkeypatch.setattr(estimator, "fit", watched)

    def embedding(self, owner, name):
        """Take embeddings of training rows for training rows."""
        embed = getattr(owner, name)

        def watched(model, X):
            Z = embed(model, X)
            if rows_of(X) <= self.train:
                self.train |= rows_of(Z)
            return Z

        self.monkeypatch.setattr(owner, name, watched)


@pytest.fixture
def watch(monkeypatch):
    rows = data.shortened(data.load("digits"), SMALL, SMALL)
    monkeypatch.setattr(data, "load", lambda name, **how: rows)
    monkeypatch.setattr(comparison, "EXPLAINED", 4)
    watch = Watch(monkeypatch, rows.X_train)
    assert not watch.train & rows_of(rows.X_test)
    watch.fit(sklearn_kmex.KMExClassifier)
    watch.fit(skorch.NeuralNetClassifier)
    watch.embedding(SkorchEmbedder, "transform")
    return watch


@pytest.mark.filterwarnings("ignore:Maps do not sum")
@pytest.mark.slow
def test_black_box_and_kmex_see_training_rows_alone(watch, tmp_path):
    (tmp_path / "models").mkdir()
    comparison.convert("digits", "small", 0, 1, True, tmp_path)
    assert watch.fits == {"NeuralNetClassifier", "KMExClassifier"}
    assert watch.seen <= watch.train


@pytest.mark.slow
@pytest.mark.parametrize("model", ["ProtoPNet", "ProtoVAE", "FLINT"])
def test_other_models_see_training_rows_alone(model, watch, tmp_path, monkeypatch):
    made = others.comparison_models.MODELS[model]
    watch.fit(made)
    watch.embedding(made, "embed")
    found = others.compare("digits", model, 0, SMALL, True, tmp_path)
    assert watch.fits == {model, "KMExClassifier"}
    assert watch.seen <= watch.train
    assert set(found) == {model, f"KMEx on {model}"}
    assert found[f"KMEx on {model}"]["ghosting, training set"] == 0


@pytest.mark.filterwarnings("ignore:Maps do not sum")
@pytest.mark.slow
def test_a_leak_would_be_seen(watch, tmp_path, monkeypatch):
    rows = data.load("digits")
    X = np.concatenate([rows.X_train, rows.X_test[:1]])
    leaking = rows._replace(X_train=X, y_train=np.append(rows.y_train, 0))
    monkeypatch.setattr(data, "load", lambda name, **how: leaking)
    comparison.convert("digits", "small", 0, 1, True, tmp_path)
    assert not watch.seen <= watch.train


@pytest.mark.slow
@pytest.mark.parametrize("name", data.SETS)
def test_sets(name):
    if not data.at_hand(name):
        pytest.skip(f"{name} is not in {data.FOLDER}")
    rows = data.load(name, quick=True)
    assert rows.X_train.dtype == rows.X_test.dtype == np.float32
    assert len(rows.X_train) == len(rows.y_train) <= data.QUICK_TRAIN
    assert rows.X_train.shape[1:] == rows.X_test.shape[1:]
    assert set(rows.y_train) == set(range(len(rows.class_names)))
    assert all(len(of) == len(rows.y_test) for of in rows.groups_test.values())
    if rows.X_train.ndim == 4:
        assert rows.X_train.min() == 0
        assert rows.X_train.max() == 1
    data.load.cache_clear()
    again = data.load(name, quick=True)
    np.testing.assert_array_equal(rows.X_train, again.X_train)


def test_what_is_not_there_is_skipped_in_a_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(data, "FOLDER", tmp_path)
    assert data.names() == ["digits"]
    skipped = capsys.readouterr().err.splitlines()
    assert f"skipped: mnist is not in {tmp_path}" in skipped
    assert len(skipped) == len(data.SETS) - 1


@pytest.mark.slow
def test_a_seed_gives_the_same_network():
    rows = data.shortened(data.load("digits"), SMALL, SMALL)
    one, again = (black_boxes.train(rows, "small", 0, 2) for _ in range(2))
    other = black_boxes.train(rows, "small", 1, 2)
    scores = [net.predict_proba(rows.X_test) for net in (one, again, other)]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert not np.allclose(scores[0], scores[2])
    assert one.seconds_ > 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mlp", "boosting", "forest"])
def test_black_boxes_of_tables_are_converted(kind):
    rows = data.shortened(data.load("digits"), SMALL, SMALL)
    flat = rows._replace(
        X_train=rows.X_train.reshape(SMALL, -1), X_test=rows.X_test.reshape(SMALL, -1)
    )
    black_box = black_boxes.train(flat, kind)
    psem = sklearn_kmex.make_kmex(black_box).fit(flat.X_train, flat.y_train)
    assert psem.score(flat.X_test, flat.y_test) > 0.8


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 64, 64)])
def test_networks_take_any_images(shape):
    X = torch.rand(4, *shape)
    for net in (networks.SmallNet(shape, 3), networks.resnet34(3)):
        assert net.eval()(X).shape == (4, 3)
    assert networks.RGB32()(X).shape == (4, 3, 32, 32)


def test_small_images_keep_their_pixels_in_the_middle():
    X = torch.rand(1, 1, 28, 28)
    framed = networks.RGB32()(X)
    np.testing.assert_array_equal(framed[:, :1, 2:30, 2:30], X)
    assert float(framed.sum()) == pytest.approx(3 * float(X.sum()), rel=1e-5)


@pytest.mark.filterwarnings("ignore:Maps do not sum")
@pytest.mark.slow
def test_maps_of_the_paper_s_network_are_those_of_its_images():
    rows = data.shortened(data.load("digits"), SMALL, SMALL)
    black_box = black_boxes.train(rows, "resnet34", epochs=1)
    psem = sklearn_kmex.make_kmex(black_box, random_state=0)
    psem.fit(rows.X_train, rows.y_train)
    maps = relevance(psem, rows.X_test[:2])
    assert maps.shape == (2, 1, 8, 8)
    assert abs(maps).max() > 0


def test_a_cell_is_run_once_and_again_for_other_settings(tmp_path, capsys):
    runs = []

    def run(seed):
        runs.append(seed)
        return {"seed": seed}

    for seed in (0, 0, 1):
        found = _store.cell("q", "name", run, folder=tmp_path, seed=seed)
        assert found == {"seed": seed}
    assert runs == [0, 1]
    known = json.loads((tmp_path / "q" / "name.json").read_text())
    assert known["made with"]["versions"]["scikit-learn"]


def test_command_runs_what_is_asked_and_keeps_nothing(monkeypatch, capsys):
    def judged(name, kind, seed, epochs, quick, folder):
        assert (name, quick, epochs) == ("digits", True, 2)
        return {"black box": {"accuracy": 0.5}}

    monkeypatch.setattr(comparison, "convert", judged)
    monkeypatch.setattr(data, "names", lambda: ["digits"])
    monkeypatch.setattr(sys, "argv", ["study", "--quick", "--only", "models"])
    study.main()
    assert '"accuracy": 0.5' in capsys.readouterr().out


def test_tables_are_made_of_the_files(tmp_path):
    accuracies = 0.97, 0.98, 0.99
    for seed, accuracy in enumerate(accuracies):
        judged = dict.fromkeys(comparison.SHARES, accuracy)
        found = dict.fromkeys(("black box", "KMEx", "KMEx, auto"), judged)
        _store.cell(
            "models",
            f"digits-small-{seed}",
            lambda found=found, **settings: found,
            folder=tmp_path,
            name="digits",
            kind="small",
            seed=seed,
        )
    tables.write(tmp_path / "pages", tmp_path)
    text = (tmp_path / "pages" / "models_summary.inc").read_text()
    assert "98.00 ± 2.48" in text  # 4.303 * 1 / sqrt(3)
    assert "- 3\n" in text
    empty = (tmp_path / "pages" / "others_tables.inc").read_text()
    assert empty == "Not run yet: `make study` does.\n"


def test_text_tells_what_kmex_mends_and_costs_on_other_models(tmp_path):
    def keep(name, part, found):
        _store.cell(
            "others",
            f"{name}-{part}-0",
            lambda **settings: found,
            folder=tmp_path,
            name=name,
            seed=0,
        )

    for name, lost in {"digits": 0.01, "mnist": 0.05}.items():
        for model in others.comparison_models.MODELS:
            own = {"accuracy": 0.9, "ghosting, training set": 10 * lost}
            kmex = {"accuracy": 0.9 - lost, "ghosting, training set": 0.0}
            keep(name, model, {model: own, f"KMEx on {model}": kmex})
    assert others.numbers(tmp_path) == ""  # no set has all models yet
    for name in ("digits", "mnist"):
        keep(name, "small", {})
    text = others.numbers(tmp_path)
    assert "|FLINT ghosts| replace:: 10 to 50\n" in text
    assert "|KMEx on FLINT ghosts| replace:: 0.0\n" in text
    assert "|FLINT lost| replace:: 1.0 to 5.0\n" in text


def test_galleries_hold_sheets_of_all_models(tmp_path):
    rows = data.shortened(data.load("digits"), SMALL, SMALL)
    for part in ("small", "ProtoVAE-KMEx"):
        path = tmp_path / f"digits-{part}-0.png"
        comparison.sheets.save(path, rows.X_train, rows.y_train)
        height, width = imread(path).shape[:2]
        assert (height, width) == (10 * 10, 5 * 10)
    text = others.gallery(tmp_path, "digits")
    assert text.count("figure::") == 2
    assert "KMEx on ProtoVAE" in text
    assert others.gallery(tmp_path, "mnist") == ""

"""save_psem and load_psem: the same model, or a clear error."""

import os
import pickle
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier, RejectingClassifier, make_kmex
from sklearn_kmex.embedding import SkorchEmbedder, TorchEmbedder
from sklearn_kmex.exceptions import MissingDependencyError, ModelFileError
from sklearn_kmex.persistence import load_psem, save_psem

pytest.importorskip("skops")
pytest.importorskip("safetensors")
from saved import NAMES, predict_elsewhere


def test_the_same_predictions_on_a_machine_without_torch(models, digits, tmp_path):
    paths = [tmp_path / name for name in NAMES]
    for name, path in zip(NAMES, paths, strict=True):
        save_psem(models[name][0], path)
    answers = predict_elsewhere(paths, digits[1])
    for name, (labels, chances) in zip(NAMES, answers, strict=True):
        assert_array_equal(labels, models[name][0].predict(digits[1]))
        assert_array_equal(chances, models[name][0].predict_proba(digits[1]))


def test_other_types_must_be_trusted_to_load(digits, tmp_path):
    X, X_test, y, _ = digits
    X, y = X[:200], y[:200]
    ensemble = HistGradientBoostingClassifier(max_iter=2).fit(X, y)
    psem = make_kmex(ensemble, n_prototypes=1).fit(X, y)
    save_psem(psem, tmp_path / "psem")
    with pytest.raises(ModelFileError) as caught:
        load_psem(tmp_path / "psem")
    start, _, rest = str(caught.value).partition("not trusted: ")
    names, _, remedy = rest.partition(". Name them ")
    assert start == "psem cannot be loaded: it contains types that are "
    assert names == "sklearn_boosting"
    assert remedy == (
        "in trusted only if you know who wrote the file: their state is not checked, "
        "and a forged one can run code, crash the process or change its memory."
    )
    loaded = load_psem(tmp_path / "psem", trusted=names)
    assert_array_equal(loaded.predict(X_test), psem.predict(X_test))


def test_a_file_is_replaced_as_a_whole_or_not_at_all(models, tmp_path, monkeypatch):
    path = tmp_path / "psem"
    save_psem(models["kmex"][0], path)
    before = path.read_bytes()

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        save_psem(models["mlp"][0], path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_the_same_each_time(models, tmp_path):
    save_psem(models["scaled"][0], tmp_path / "one")
    loaded = load_psem(tmp_path / "one")
    save_psem(loaded, tmp_path / "two")
    assert (tmp_path / "one").stat().st_size == (tmp_path / "two").stat().st_size


@pytest.mark.parametrize(
    ("psem", "error", "words"),
    [
        (KMExClassifier(), NotFittedError, "not fitted yet"),
        (LogisticRegression(), TypeError, "must decide by prototypes"),
        (RejectingClassifier(KMExClassifier()), NotFittedError, "not fitted yet"),
    ],
)
def test_what_is_no_fitted_model_is_refused(psem, error, words, tmp_path):
    with pytest.raises(error, match=words):
        save_psem(psem, tmp_path / "psem")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrap", [lambda search: search, FrozenEstimator])
def test_a_search_is_refused_and_its_best_estimator_saved(digits, wrap, tmp_path):
    X, X_test, y, _ = digits
    psem = make_pipeline(StandardScaler(), KMExClassifier(random_state=0))
    grid = {"kmexclassifier__n_prototypes": [1, 2]}
    search = GridSearchCV(psem, grid, cv=2).fit(X, y)
    with pytest.raises(TypeError, match=r"got a GridSearchCV\. Save its best_estim"):
        save_psem(wrap(search), tmp_path / "psem")
    assert not list(tmp_path.iterdir())
    save_psem(search.best_estimator_, tmp_path / "psem")
    loaded = load_psem(tmp_path / "psem")
    assert_array_equal(loaded.predict_proba(X_test), search.predict_proba(X_test))


def test_a_callable_is_saved_with_its_checks(digits, tmp_path):
    X, X_test, y, _ = digits
    psem = make_kmex(np.sqrt, n_prototypes=1, random_state=0).fit(X, y)
    save_psem(psem, tmp_path / "psem")
    loaded = load_psem(tmp_path / "psem")
    assert_array_equal(loaded.predict_proba(X_test), psem.predict_proba(X_test))


def test_sparse_parts_are_refused_before_a_file_is_made(digits, tmp_path):
    X, _, y, _ = digits
    step = TfidfTransformer().fit(X)
    step.extra_ = step.transform(X)
    psem = make_pipeline(step, KMExClassifier(1)).fit(X, y)
    step.extra_ = step.transform(X)
    with pytest.raises(TypeError, match=r"psem must contain .* is not an array"):
        save_psem(psem, tmp_path / "psem")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_a_file_that_is_replaced_keeps_its_permissions(models, tmp_path, mode):
    path = tmp_path / "psem"
    path.touch(mode)
    path.chmod(mode)
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        fsync = os.fsync
        patch.setattr("os.fsync", lambda n: (seen.append(os.fstat(n)), fsync(n)))
        save_psem(models["kmex"][0], path)
    assert [stat.S_IMODE(one.st_mode) for one in seen] == [mode]
    assert stat.S_IMODE(path.stat().st_mode) == mode
    load_psem(path)
    save_psem(models["kmex"][0], tmp_path / "new")
    (tmp_path / "as_usual").touch()
    modes = [(tmp_path / name).stat().st_mode for name in ("new", "as_usual")]
    assert modes[0] == modes[1]


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_is_followed(models, tmp_path, exists):
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "psem", tmp_path / "link"
    if exists:
        target.touch()
    link.symlink_to(target)
    save_psem(models["kmex"][0], link)
    assert link.is_symlink()
    assert not target.is_symlink()
    assert list((tmp_path / "real").iterdir()) == [target]
    load_psem(link)


def test_the_cache_of_a_pipeline_is_not_saved(digits, tmp_path):
    X, _, y, _ = digits
    psem = make_pipeline(
        StandardScaler(), KMExClassifier(1), memory=str(tmp_path / "m")
    )
    save_psem(psem.fit(X, y), tmp_path / "psem")
    assert load_psem(tmp_path / "psem").memory is None
    assert psem.memory == str(tmp_path / "m")


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        ("nowhere/psem", FileNotFoundError, r"nowhere/psem'\. Create the folder"),
        ("file/psem", FileNotFoundError, r"file/psem'\. Create the folder"),
        ("", IsADirectoryError, "path must name a file; .* is a folder"),
        (3, TypeError, "path must be a str or os.PathLike; got 3 of type int"),
    ],
)
def test_a_path_that_cannot_be_written_is_named(models, tmp_path, path, error, words):
    (tmp_path / "file").touch()
    path = tmp_path / path if isinstance(path, str) else path
    with pytest.raises(error, match=words) as caught:
        save_psem(models["kmex"][0], path)
    assert ".part" not in str(caught.value)
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_path_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="psem"):
        load_psem(tmp_path / "psem")
    with pytest.raises(TypeError, match=r"path must be a str .* got 3 of type int"):
        load_psem(3)


@pytest.mark.parametrize("module", ["abc", 3, StandardScaler()])
def test_a_module_of_another_type_is_refused(models, tmp_path, module):
    save_psem(models["kmex"][0], tmp_path / "psem")
    with pytest.raises(TypeError, match=r"module must be a torch\.nn\.Module or None"):
        load_psem(tmp_path / "psem", module)


def test_missing_packages_are_named_with_their_extra(models, tmp_path, monkeypatch):
    save_psem(models["kmex"][0], tmp_path / "psem")
    monkeypatch.setitem(sys.modules, "skops.io", None)
    for call in (
        lambda: save_psem(models["kmex"][0], tmp_path / "other"),
        lambda: load_psem(tmp_path / "psem"),
    ):
        with pytest.raises(MissingDependencyError, match=r"sklearn-kmex\[persist\]"):
            call()


class TestTorch:
    """Models with a torch encoder."""

    @pytest.fixture
    def torch(self):
        return pytest.importorskip("torch")

    @pytest.fixture
    def network(self, torch):
        def make(width=12, dtype=torch.float32):
            torch.manual_seed(0)
            return torch.nn.Sequential(
                torch.nn.Linear(64, width),
                torch.nn.BatchNorm1d(width),
                torch.nn.ReLU(),
                torch.nn.Linear(width, 10),
            ).to(dtype)

        return make

    @pytest.fixture
    def saved(self, network, digits, tmp_path):
        X, _, y, _ = digits
        trained = network()
        trained(
            trained[0].weight.new_tensor(X)
        )  # sets the statistics of the batch norm
        psem = make_kmex(trained, n_prototypes=3, random_state=0)
        psem.fit(X.astype(np.float32), y)
        save_psem(psem, tmp_path / "psem.safetensors")
        return psem, tmp_path / "psem.safetensors"

    def test_weights_come_back_into_a_module_of_the_users_own(
        self, saved, network, digits, torch
    ):
        psem, path = saved
        module = network()
        with torch.no_grad():
            module[0].weight.zero_()
        loaded = load_psem(path, module)
        assert loaded["embed"].module is module
        X = digits[1].astype(np.float32)
        assert_array_equal(loaded.predict_proba(X), psem.predict_proba(X))
        assert_array_equal(
            loaded["embed"].black_box_output(X), psem["embed"].black_box_output(X)
        )

    def test_a_classifier_that_refuses_shares_the_encoder(
        self, network, digits, tmp_path, torch
    ):
        X, X_test, y, _ = (values.astype(np.float32) for values in digits)
        psem = make_kmex(network(), n_prototypes=2, teacher=None, random_state=0)
        frozen = FrozenEstimator(clone(psem).fit(X[:600], y[:600]))
        for inner in (psem, frozen):
            careful = RejectingClassifier(inner, cv=2, quantile=0.3, reject_label=-1)
            careful.fit(X, y)
            save_psem(careful, tmp_path / "psem")
            loaded = load_psem(tmp_path / "psem", network())
            assert_array_equal(loaded.predict(X_test), careful.predict(X_test))
            assert_array_equal(loaded.typicality(X_test), careful.typicality(X_test))
            again = clone(loaded).fit(X, y)  # the unfitted parameters are saved, too
            assert_array_equal(again.thresholds_, careful.thresholds_)

    def test_the_same_predictions_in_another_process(self, saved, digits, tmp_path):
        psem, path = saved
        X = digits[1].astype(np.float32)
        np.save(tmp_path / "rows.npy", X)
        code = """
import sys
import numpy as np
from torch import nn
from sklearn_kmex.persistence import load_psem
parts = nn.Linear(64, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 10)
psem = load_psem(sys.argv[1], nn.Sequential(*parts))
np.save(sys.argv[3], psem.predict_proba(np.load(sys.argv[2])))
"""
        files = path, tmp_path / "rows.npy", tmp_path / "chances.npy"
        subprocess.run([sys.executable, "-c", code, *files], check=True)
        assert_array_equal(np.load(files[-1]), psem.predict_proba(X))

    def test_any_reader_of_safetensors_finds_the_weights(self, saved):
        from safetensors.torch import load_file

        psem, path = saved
        tensors = load_file(path)
        for name, weight in psem["embed"].module.state_dict().items():
            assert tensors[f"module.{name}"].equal(weight)

    def test_a_module_must_be_given(self, saved, models, tmp_path, network):
        with pytest.raises(ModelFileError, match=r"Pass module=Sequential\(\.\.\.\)"):
            load_psem(saved[1])
        save_psem(models["kmex"][0], tmp_path / "kmex")
        with pytest.raises(ModelFileError, match="Leave module out"):
            load_psem(tmp_path / "kmex", network())

    def test_the_class_of_a_module_is_refused(self, saved, torch):
        with pytest.raises(TypeError, match=r"got <class .*Linear'>\. Pass"):
            load_psem(saved[1], torch.nn.Linear)

    def test_another_module_is_refused_and_left_alone(self, saved, network, torch):
        wider, double = network(13), network(dtype=torch.float64)
        deeper = torch.nn.Sequential(*network(), torch.nn.Linear(10, 10))
        with torch.device("meta"):
            nowhere = network()
        for module, words in (
            (wider, r"0\.weight is float32 \(12, 64\) and not float32 \(13, 64\)"),
            (double, r"0\.weight is float32 .* and not float64"),
            (deeper, r"4\.bias is not in the file"),
            (network()[:3], r"3\.bias is not in the module"),
            (nowhere, "is on meta"),
        ):
            before = {k: v.clone() for k, v in module.state_dict().items()}
            with pytest.raises(ModelFileError, match=words):
                load_psem(saved[1], module)
            after = module.state_dict()
            if module is not nowhere:
                assert all(after[name].equal(v) for name, v in before.items())

    def test_weights_that_are_no_numbers_are_refused(
        self, saved, network, tmp_path, torch
    ):
        psem, _ = saved
        with torch.no_grad():
            psem["embed"].module[3].bias.fill_(float("nan"))
        save_psem(psem, tmp_path / "psem")
        with pytest.raises(ModelFileError, match=r"3\.bias is NaN"):
            load_psem(tmp_path / "psem", network())

    def test_steps_before_the_encoder_and_a_cache_around_it(
        self, network, digits, tmp_path
    ):
        X, X_test, y, _ = digits
        embedder = TorchEmbedder(network(), "2")
        for psem in (
            make_pipeline(StandardScaler(), embedder, KMExClassifier(2)),
            make_kmex(embedder, memory=tmp_path / "cache"),
        ):
            psem.fit(X, y)
            save_psem(psem, tmp_path / "psem")
            loaded = load_psem(tmp_path / "psem", network())
            assert type(loaded[-2]) is TorchEmbedder
            assert_array_equal(loaded.predict_proba(X_test), psem.predict_proba(X_test))

    def test_tied_weights_are_saved(self, network, digits, tmp_path):
        X, _, y, _ = digits
        module = network()
        module[0].bias = module[1].bias
        psem = make_kmex(module).fit(X, y)
        save_psem(psem, tmp_path / "psem")
        loaded = load_psem(tmp_path / "psem", network())
        assert_array_equal(loaded.predict(X), psem.predict(X))

    def test_what_cannot_be_saved_is_refused(self, network, digits, tmp_path, torch):
        X, _, y, _ = digits

        class Stateful(torch.nn.Linear):
            def get_extra_state(self):
                return {"any": object()}

            def set_extra_state(self, state):
                pass

        kmex = KMExClassifier(1)
        encoder = TorchEmbedder(network(), "2")
        twice = make_pipeline(encoder, TorchEmbedder(torch.nn.ReLU(), ""), kmex)
        twice.steps[1] = ("second", TorchEmbedder(torch.nn.Linear(12, 4)))
        union = make_pipeline(FeatureUnion([("one", encoder)]), kmex)
        extra = make_kmex(Stateful(64, 8), n_prototypes=1)
        for psem, words in (
            (twice, "at most one torch encoder; got 2"),
            (union, "psem must contain only estimators, arrays"),
            (extra, "'_extra_state' is dict"),
        ):
            psem.fit(X, y)
            with pytest.raises(TypeError, match=words):
                save_psem(psem, tmp_path / "psem")
        assert not list(tmp_path.iterdir())

    def test_extra_state_is_read_only_if_it_is_trusted(self, digits, tmp_path, torch):
        X, _, y, _ = digits
        read = []

        class Stateful(torch.nn.Linear):
            def get_extra_state(self):
                return torch.frombuffer(bytearray(b"a pickle"), dtype=torch.uint8)

            def set_extra_state(self, state):
                read.append(bytes(state.tolist()))

        for make, name in (
            (lambda: Stateful(64, 8), "_extra_state"),
            (lambda: torch.nn.Sequential(Stateful(64, 8)), "0._extra_state"),
        ):
            psem = make_pipeline(TorchEmbedder(make()), KMExClassifier(1)).fit(X, y)
            save_psem(psem, tmp_path / "psem")
            words = (
                rf"extra state that is not trusted: {name}\. Name it in trusted only"
            )
            read.clear()
            with pytest.raises(ModelFileError, match=words):
                load_psem(tmp_path / "psem", make())
            assert read == []
            loaded = load_psem(tmp_path / "psem", make(), trusted=[name])
            assert read == [b"a pickle"]
            assert loaded[0].module is not psem[0].module

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("batch_size", -5),
            ("pooling", "x"),
            ("num_workers", 200),
            ("precision", "float8"),
            ("input_shape", [8, -8]),
            ("layer", 3),
        ],
    )
    def test_settings_of_an_encoder_are_those_that_fit_takes(
        self, saved, network, tmp_path, name, value
    ):
        psem, _ = saved
        psem["embed"].set_params(**{name: value})
        save_psem(psem, tmp_path / "psem")
        with pytest.raises(
            ModelFileError, match=f"TorchEmbedder has impossible {name}"
        ):
            load_psem(tmp_path / "psem", network())

    def test_a_skorch_net_is_refused_with_its_remedy(self, network, digits, tmp_path):
        skorch = pytest.importorskip("skorch")
        X, X_test, y, _ = (values.astype(np.float32) for values in digits)
        net = skorch.NeuralNetClassifier(
            network(), max_epochs=1, train_split=None, verbose=0
        )
        net.fit(X, y.astype(np.int64))
        psem = make_kmex(net, n_prototypes=2).fit(X, y)
        assert isinstance(psem["embed"], SkorchEmbedder)
        with pytest.raises(TypeError, match=r"TorchEmbedder\(net\.module_\)"):
            save_psem(psem, tmp_path / "psem")
        before = psem.predict(X_test)
        save_psem(psem.set_params(embed=TorchEmbedder(net.module_)), tmp_path / "psem")
        loaded = load_psem(tmp_path / "psem", network())
        assert_array_equal(loaded.predict(X_test), before)

    def test_resnet20(self, load_data, tmp_path):
        resnet20 = pytest.importorskip("resnet20")
        weights = load_data("resnet20_cifar10_weights.npz")
        train = load_data("cifar10_jpeg_train12k.npz")
        X, y = resnet20.standardize(train["x"][:300]), train["y"][:300]
        psem = make_kmex(resnet20.load(weights), n_prototypes=2, random_state=0)
        psem.fit(X, y)
        save_psem(psem, tmp_path / "resnet20.safetensors")
        path = tmp_path / "resnet20.safetensors"
        loaded = load_psem(path, resnet20.ResNet20())
        assert_array_equal(loaded.predict_proba(X), psem.predict_proba(X))
        np.save(tmp_path / "images.npy", X[:20])
        code = """
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
import resnet20
from sklearn_kmex.persistence import load_psem
psem = load_psem(sys.argv[2], resnet20.ResNet20())
np.save(sys.argv[4], psem.predict_proba(np.load(sys.argv[3])))
"""
        files = path, tmp_path / "images.npy", tmp_path / "chances.npy"
        beside = Path(resnet20.__file__).parent
        subprocess.run([sys.executable, "-c", code, beside, *files], check=True)
        assert_array_equal(np.load(files[-1]), psem.predict_proba(np.load(files[1])))


def test_nothing_of_a_file_is_a_pickle(models, tmp_path):
    save_psem(models["scaled"][0], tmp_path / "psem")
    with pytest.raises(pickle.UnpicklingError):
        pickle.loads((tmp_path / "psem").read_bytes())


def test_a_network_that_was_fitted_to_tensors(digits, tmp_path):
    torch = pytest.importorskip("torch")
    X, X_test, y, _ = digits

    def make():
        return torch.nn.Sequential(
            torch.nn.Linear(64, 8), torch.nn.ReLU(), torch.nn.Linear(8, 10)
        )

    psem = make_kmex(make(), n_prototypes=1, metric="euclidean")
    psem.fit(torch.tensor(X[:300], dtype=torch.float32), y[:300])
    save_psem(psem, tmp_path / "psem")
    loaded = load_psem(tmp_path / "psem", make())
    rows = X_test.astype(np.float32)
    assert_array_equal(loaded.predict_proba(rows), psem.predict_proba(rows))

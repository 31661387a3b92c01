"""Sets read from files, or fetched: what a user gets, and what is refused."""

import hashlib
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from study.datasets import IMAGE_SETS, _sources, fetch, find_folder


def grey(n):
    return np.random.RandomState(n).randint(256, size=(n, 28, 28), dtype=np.uint8)


def test_mnist_is_the_official_set(load_data):
    arrays = load_data("mnist.npz")
    images = fetch("mnist", find_folder(), download_if_missing=False)
    assert images.X_train.shape == (60_000, 28, 28, 1)
    np.testing.assert_array_equal(images.X_test[..., 0], arrays["x_test"])
    np.testing.assert_array_equal(images.y_train, arrays["y_train"])
    assert images.target_names == list("0123456789")


def test_two_files_make_one_set(load_data):
    load_data("cifar10_jpeg_test10k.npz")
    images = fetch("cifar10", find_folder(), download_if_missing=False)
    assert images.X_train.shape == (12_000, 32, 32, 3)
    assert np.bincount(images.y_test).tolist() == [1000] * 10
    assert "JPEG" in images.DESCR


def test_attributes_come_along(load_data):
    load_data("utkface_64_2500.npz")
    faces = fetch("utkface", find_folder(), download_if_missing=False)
    assert len(faces.race_train) == len(faces.age_train) == len(faces.X_train) == 2000
    assert faces.race_names.tolist()[0] == "White"


def test_environment_names_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SKLEARN_KMEX_DATA", str(tmp_path))
    assert find_folder() == tmp_path
    with pytest.raises(OSError, match=f"SVHN is not in {tmp_path} and is not to be"):
        fetch("svhn", find_folder(), download_if_missing=False)


@pytest.mark.parametrize("name", IMAGE_SETS)
def test_missing_files_are_named(name, tmp_path):
    with pytest.raises(OSError, match=r"is not to be fetched; (put \w+.*there|allow)"):
        fetch(name, tmp_path, download_if_missing=False)
    assert list(tmp_path.iterdir()) == []


def test_another_file_of_the_same_name_is_refused(tmp_path):
    np.savez(tmp_path / "mnist.npz", x_train=grey(3))
    found = hashlib.sha256((tmp_path / "mnist.npz").read_bytes()).hexdigest()
    with pytest.raises(ValueError, match=rf"mnist.npz has the sha256 {found}, not "):
        fetch("mnist", tmp_path)


def fake_openml(name, version, data_home, as_frame):
    rng = np.random.RandomState(0)
    return types.SimpleNamespace(
        data=np.repeat(rng.randint(256, size=(70_000, 1)), 784, axis=1),
        target=np.array([str(digit) for digit in np.arange(70_000) % 10]),
    )


def test_fetched_sets_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(_sources, "fetch_openml", fake_openml)
    fetched = fetch("mnist", tmp_path)
    assert fetched.X_train.shape == (60_000, 28, 28, 1)
    assert fetched.X_test.dtype == np.uint8
    monkeypatch.delattr(_sources, "fetch_openml")
    again = fetch("mnist", tmp_path, download_if_missing=False)
    np.testing.assert_array_equal(again.X_test, fetched.X_test)
    np.testing.assert_array_equal(again.y_test, np.arange(60_000, 70_000) % 10)
    assert [path.name for path in tmp_path.iterdir()] == ["mnist-fetched.npz"]


def fake_torchvision():
    """Sets of torchvision, of two images for each split, as it shapes them."""
    colour = np.arange(2 * 8 * 8 * 3, dtype=np.uint8)

    class CIFAR10:
        classes: tuple = ("one", "two")

        def __init__(self, root, train, download):
            self.data, self.targets = colour.reshape(2, 8, 8, 3), [int(train), 0]

    class SVHN:
        classes: tuple = ("one", "two")

        def __init__(self, root, split, download):
            self.data, self.labels = colour.reshape(2, 3, 8, 8), np.array([1, 0])

    class CelebA:
        def __init__(self, root, split, target_type, download):
            import torch

            self.attr = torch.tensor([[0, 1], [1, 0]])
            self.attr_names = ["Bald", "Male", ""]

        def __iter__(self):
            pictures = pytest.importorskip("PIL.Image")
            picture = pictures.fromarray(np.zeros((218, 178, 3), np.uint8))
            return iter([(picture, None), (picture, None)])

    return types.SimpleNamespace(CIFAR10=CIFAR10, SVHN=SVHN, STL10=SVHN, CelebA=CelebA)


@pytest.fixture
def torchvision(monkeypatch):
    pytest.importorskip("torch")
    module = fake_torchvision()
    monkeypatch.setitem(sys.modules, "torchvision.datasets", module)
    return module


def test_cifar10_is_fetched(tmp_path, torchvision):
    images = fetch("cifar10", tmp_path)
    assert images.X_train.shape == (2, 8, 8, 3)
    assert images.y_train.tolist() == [1, 0]
    assert images.target_names == ["one", "two"]


@pytest.mark.parametrize("name", ["svhn", "stl10"])
def test_channels_go_last(name, tmp_path, torchvision):
    images = fetch(name, tmp_path)
    assert images.X_train.shape == (2, 8, 8, 3)
    assert images.X_train[0, 0, 0].tolist() == [0, 64, 128]


def test_celeba_is_fetched_with_attributes(tmp_path, torchvision):
    faces = fetch("celeba", tmp_path)
    assert faces.X_train.shape == (2, 64, 64, 3)
    assert faces.y_train.tolist() == [1, 0]
    assert faces.attributes_test.tolist() == [[0, 1], [1, 0]]
    assert faces.target_names == ["female", "male"]


def test_drawings_are_fetched(tmp_path, monkeypatch):
    def fake(url, path):
        category = sum(map(ord, url)) % 256
        np.save(path, np.full((3000, 784), category, np.uint8))

    monkeypatch.setattr(_sources, "urlretrieve", fake)
    drawings = fetch("quickdraw", tmp_path)
    assert drawings.X_train.shape == (15_000, 28, 28, 1)
    assert np.bincount(drawings.y_test).tolist() == [500] * 6
    shades = [set(drawings.X_test[drawings.y_test == c].ravel()) for c in range(6)]
    assert all(len(shade) == 1 for shade in shades)


def test_a_failed_fetch_says_what_to_do(tmp_path, monkeypatch):
    def offline(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(_sources, "fetch_openml", offline)
    with pytest.raises(OSError, match=r"fetched: no network; put mnist.npz there\."):
        fetch("mnist", tmp_path)
    with pytest.raises(OSError, match=r"no place to fetch it from; put utkface"):
        fetch("utkface", tmp_path)


def test_without_a_folder_the_one_beside_the_checkout_is_used(monkeypatch):
    monkeypatch.delenv("SKLEARN_KMEX_DATA", raising=False)
    assert find_folder() == Path(__file__).parents[3] / "shared" / "data"

"""A network trained elsewhere: ResNet-20 on CIFAR-10."""

import pytest
from sklearn.metrics import accuracy_score

pytest.importorskip("torch")
import resnet20

from sklearn_kmex import make_kmex
from sklearn_kmex.metrics import ghosting_rate


@pytest.mark.slow
def test_the_psem_is_as_accurate_as_the_network(load_data):
    network = resnet20.load(load_data("resnet20_cifar10_weights.npz"))
    train = load_data("cifar10_jpeg_train12k.npz")
    test = load_data("cifar10_jpeg_test10k.npz")
    X, X_test = resnet20.standardize(train["x"]), resnet20.standardize(test["x"])

    psem = make_kmex(network, n_prototypes=5, random_state=0).fit(X, train["y"])
    by_psem = psem.predict(X_test)
    by_network = psem["embed"].black_box_output(X_test).argmax(axis=1)
    network_is_right = accuracy_score(test["y"], by_network)
    assert network_is_right > 0.8
    assert accuracy_score(test["y"], by_psem) >= network_is_right
    assert ghosting_rate(psem.transform(X).argmax(axis=1), 50) == 0

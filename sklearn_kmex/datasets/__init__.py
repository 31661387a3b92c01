"""Image sets of the paper: read from a folder, or fetched where a network allows."""

from sklearn_kmex.datasets._fetch import (
    fetch_celeba,
    fetch_cifar10,
    fetch_fashion_mnist,
    fetch_mnist,
    fetch_quickdraw,
    fetch_stl10,
    fetch_svhn,
    fetch_utkface,
)

__all__ = [
    "fetch_celeba",
    "fetch_cifar10",
    "fetch_fashion_mnist",
    "fetch_mnist",
    "fetch_quickdraw",
    "fetch_stl10",
    "fetch_svhn",
    "fetch_utkface",
]

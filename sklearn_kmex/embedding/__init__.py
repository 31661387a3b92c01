"""Embedders: transformers that run a frozen model up to one of its layers."""

from sklearn_kmex.embedding._mlp import MLPEmbedder
from sklearn_kmex.embedding._skorch import SkorchEmbedder
from sklearn_kmex.embedding._torch import TorchEmbedder
from sklearn_kmex.embedding._tree import TreeEmbedder

__all__ = ["MLPEmbedder", "SkorchEmbedder", "TorchEmbedder", "TreeEmbedder"]

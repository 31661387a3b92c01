"""Embedders: transformers that run a frozen model up to one of its layers."""

from sklearn_kmex.embedding._skorch import SkorchEmbedder
from sklearn_kmex.embedding._torch import TorchEmbedder

__all__ = ["SkorchEmbedder", "TorchEmbedder"]

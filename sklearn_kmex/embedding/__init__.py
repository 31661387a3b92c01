"""Embedders: transformers that apply a frozen model up to one of its layers."""

from sklearn_kmex.embedding._cached import CachedEmbedder
from sklearn_kmex.embedding._file import embed_to_file
from sklearn_kmex.embedding._mlp import MLPEmbedder
from sklearn_kmex.embedding._score import ScoreEmbedder
from sklearn_kmex.embedding._skorch import SkorchEmbedder
from sklearn_kmex.embedding._text import TextEmbedder
from sklearn_kmex.embedding._torch import TorchEmbedder
from sklearn_kmex.embedding._tree import TreeEmbedder

__all__ = [
    "CachedEmbedder",
    "MLPEmbedder",
    "ScoreEmbedder",
    "SkorchEmbedder",
    "TextEmbedder",
    "TorchEmbedder",
    "TreeEmbedder",
    "embed_to_file",
]

"""Export fitted models to ONNX and torch."""

from sklearn_kmex.export._onnx import to_onnx
from sklearn_kmex.export._torch import to_torch

__all__ = ["to_onnx", "to_torch"]

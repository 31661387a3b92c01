"""Types of torch, for annotations elsewhere in the package."""

from torch import Tensor
from torch.nn import Module

__all__ = ["Module", "Tensor"]

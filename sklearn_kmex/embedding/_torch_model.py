"""Base class of embedders that hold a torch model."""

from __future__ import annotations

import copy
import sys
from abc import abstractmethod
from typing import Any, Self

from sklearn.utils import Tags

from sklearn_kmex.embedding._base import BaseEmbedder
from sklearn_kmex.utils import check_dependency


class TorchModelEmbedder(BaseEmbedder):
    """Embedder whose copies share what cannot be copied; it returns float32."""

    @abstractmethod
    def _network(self) -> Any:
        """Return the torch module."""

    def _attributes(self) -> dict[str, Any]:
        """Return everything that the embedder holds, by name."""
        return self.__dict__

    def __copy__(self) -> Self:
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def __deepcopy__(self, memo: dict) -> Self:
        """Copy the model too, but share what cannot be copied."""
        check_dependency("torch", caller=type(self).__name__, extra="torch")
        from sklearn_kmex._torch.copying import copy_or_share

        twin = memo[id(self)] = copy.copy(self)
        twin.__dict__.update(copy_or_share(self.__dict__, memo))
        return twin

    def __getstate__(self) -> dict[str, Any]:
        """Name what cannot be sent to another process."""
        if "torch" in sys.modules:  # else there is no model
            from sklearn_kmex._torch.copying import check_pickled

            check_pickled(self._attributes(), type(self).__name__)
        return super().__getstate__()

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # always float32
        return tags


def named_outputs(model: Any) -> list[str] | None:
    """Return class labels of the configuration of a model, unless these are numbers."""
    names = getattr(getattr(model, "config", None), "id2label", None) or {}
    labels = [names[place] for place in sorted(names)]
    unnamed = labels == [f"LABEL_{place}" for place in range(len(labels))]
    return None if unnamed else labels

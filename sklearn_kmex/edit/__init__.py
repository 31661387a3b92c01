"""Manual edits of fitted models, recorded in a log."""

from sklearn_kmex.edit._add import add_prototypes
from sklearn_kmex.edit._drop import drop_prototypes
from sklearn_kmex.edit._forget import forget_rows
from sklearn_kmex.edit._merge import merge_prototypes
from sklearn_kmex.edit._relabel import relabel_prototypes
from sklearn_kmex.edit._rename import rename

__all__ = [
    "add_prototypes",
    "drop_prototypes",
    "forget_rows",
    "merge_prototypes",
    "relabel_prototypes",
    "rename",
]

"""Save and load fitted models without pickle."""

from sklearn_kmex.persistence._estimator import TRUSTED_TYPES
from sklearn_kmex.persistence._file import load_psem, save_psem

__all__ = ["TRUSTED_TYPES", "load_psem", "save_psem"]

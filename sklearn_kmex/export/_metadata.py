"""What an exported graph says about itself, for those who serve it."""

import json
from typing import Any

from sklearn_kmex.utils._show_versions import installed_versions


def metadata(kmex: Any) -> dict[str, str]:
    """Describe a classifier as texts of JSON: what its outputs are numbers of."""
    described = {
        "classes": kmex.classes_.tolist(),
        "prototype_classes": kmex.prototype_classes_.tolist(),
        "prototype_indices": kmex.prototype_indices_.tolist(),
        "prototype_counts": kmex.prototype_counts_.tolist(),
        "parameters": {k: repr(v) for k, v in kmex.get_params(deep=False).items()},
        "versions": installed_versions(),
    }
    return {name: json.dumps(value) for name, value in described.items()}

"""The manifest: what a file says about itself, for people and for other versions."""

from typing import Any

from sklearn_kmex.persistence._encoder import classifier_of
from sklearn_kmex.persistence._refusal import Refusal
from sklearn_kmex.utils._show_versions import installed_versions

SCHEMA = 1  # raised when files change in a way that older versions cannot read


def make_manifest(psem: Any, module: Any) -> dict[str, Any]:
    """Describe a model: versions, parameters, sizes and the kind of its encoder."""
    kmex = classifier_of(psem)
    return {
        "schema": SCHEMA,
        "versions": installed_versions(),
        "parameters": {k: repr(v) for k, v in kmex.get_params(deep=False).items()},
        "classes": [str(label) for label in kmex.classes_],
        "prototypes": list(kmex.prototypes_.shape),
        "module": None if module is None else type(module).__qualname__,
    }


def check_manifest(manifest: dict[str, Any]) -> None:
    """Refuse a file of a later schema, and one that names none."""
    schema = manifest["schema"]
    if not isinstance(schema, int) or schema < 1:
        raise Refusal(f"its schema is {schema!r}")
    if schema > SCHEMA:
        made = manifest["versions"].get("sklearn-kmex")
        raise Refusal(
            f"its schema {schema} is newer than {SCHEMA}, the latest known here",
            f"Upgrade sklearn-kmex to {made}, which wrote it.",
        )

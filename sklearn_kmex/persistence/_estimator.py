"""The scikit-learn part of a model, as skops writes it: named types and arrays."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any
from zipfile import ZipFile

from sklearn_kmex.persistence._allowed import OPTIMIZERS, OWN, in_words
from sklearn_kmex.persistence._names import check_names
from sklearn_kmex.persistence._nodes import Nodes, check_members
from sklearn_kmex.persistence._refusal import Refusal
from sklearn_kmex.utils import check_dependency

# For skops.io, which trusts the public types of scikit-learn besides.
TRUSTED_TYPES = (*OPTIMIZERS, *OWN)


def dump_estimator(psem: Any) -> bytes:
    """Write a model without torch modules, or raise an error that names the part."""
    skops = check_dependency("skops.io", caller="save_psem", extra="persist")
    check_names(psem)
    try:
        raw = skops.dumps(psem)
        build_estimator(raw, skops.get_untrusted_types(data=raw), trust=True)
    except Exception as error:
        raise TypeError(
            "psem must contain only estimators, arrays, numbers and text, besides the "
            "module of a TorchEmbedder; got a part that skops cannot save safely: "
            f"{error} Remove it, and set it again after loading."
        ) from error
    return raw


def build_estimator(raw: bytes, trusted: Sequence[str], trust: bool = False) -> Any:
    """Read a model if all its types are trusted; other types are not imported.

    With `trust`, all types are.
    """
    skops = check_dependency("skops.io", caller="load_psem", extra="persist")
    with ZipFile(BytesIO(raw)) as archive:
        check_members(archive, len(raw))
        nodes = Nodes(archive, trusted)
    unknown = set() if trust else nodes.unknown()
    if unknown:
        raise Refusal(
            f"it contains types that are not trusted: {', '.join(in_words(unknown))}",
            "Name them in trusted only if you know who wrote the file: their state is "
            "not checked, and a forged one can run code, crash the process or change "
            "its memory.",
        )
    names = {name for _, name in nodes.types}
    return skops.loads(raw, trusted=[*names, *trusted])

"""The scikit-learn part of a model, as skops writes it: named types and arrays."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any
from zipfile import ZIP_STORED, ZipFile

from sklearn_kmex.persistence._refusal import Refusal
from sklearn_kmex.utils import check_dependency

# skops also trusts the public types of scikit-learn. Trees are not trusted: the node
# numbers in them are not checked when they are loaded.
TRUSTED_TYPES = (
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn_kmex._classifier.KMExClassifier",
    "sklearn_kmex._classifier_cv.KMExClassifierCV",
    "sklearn_kmex._rejecting.RejectingClassifier",
    "sklearn_kmex.embedding._function.FunctionEmbedder",
    "sklearn_kmex.embedding._head.EmbeddingHead",
    "sklearn_kmex.embedding._mlp.MLPEmbedder",
    "sklearn_kmex.embedding._pipeline.EmbeddingPipeline",
    "sklearn_kmex.embedding._torch.TorchEmbedder",
    "sklearn_kmex.embedding._tree.TreeEmbedder",
)
NPY = b"\x93NUMPY"


def dump_estimator(psem: Any) -> bytes:
    """Write a model without torch modules, or raise an error that names the part."""
    skops = check_dependency("skops.io", caller="save_psem", extra="persist")
    try:
        raw = skops.dumps(psem)
        _check_members(raw)
    except Exception as error:
        raise TypeError(
            "psem must contain only estimators, arrays, numbers and text, besides the "
            "module of a TorchEmbedder; got a part that skops cannot save safely: "
            f"{error} Remove it, and set it again after loading."
        ) from error
    return raw


def load_estimator(raw: bytes, trusted: Sequence[str]) -> Any:
    """Read a model if all its types are trusted; other types are not imported."""
    skops = check_dependency("skops.io", caller="load_psem", extra="persist")
    _check_members(raw)
    known = [*TRUSTED_TYPES, *trusted]
    unknown = sorted(set(skops.get_untrusted_types(data=raw)) - set(known))
    if unknown:
        raise Refusal(
            f"it contains types that are not trusted: {', '.join(unknown)}",
            "Name them in trusted if you trust the author of the file.",
        )
    return skops.loads(raw, trusted=known)


def _check_members(raw: bytes) -> None:
    """Refuse an archive that is compressed, or contains more than JSON and arrays.

    Uncompressed members that do not overlap take no more memory than the archive.
    Pickles and archives inside it do not start with the magic number of arrays.
    """
    with ZipFile(BytesIO(raw)) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > len(raw):
            raise Refusal("its members are larger than the file")
        if len({member.filename for member in members}) < len(members):
            raise Refusal("it has two members with the same name")
        for member in members:
            if member.compress_type != ZIP_STORED:
                raise Refusal(f"its member {member.filename!r} is compressed")
            start = archive.open(member).read(len(NPY))
            if member.filename != "schema.json" and start != NPY:
                raise Refusal(f"its member {member.filename!r} is not an array")

"""The scikit-learn part of a model, as skops writes it: named types and arrays."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any
from zipfile import ZIP_STORED, ZipFile

from sklearn_kmex.persistence._refusal import Refusal
from sklearn_kmex.utils import check_dependency

# Beside these, skops trusts what scikit-learn makes public. Trees are not among them:
# where their nodes point is not checked when they are made.
TRUSTED_TYPES = (
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn_kmex._classifier.KMExClassifier",
    "sklearn_kmex._classifier_cv.KMExClassifierCV",
    "sklearn_kmex._rejecting.RejectingClassifier",
    "sklearn_kmex.embedding._mlp.MLPEmbedder",
    "sklearn_kmex.embedding._pipeline.EmbeddingPipeline",
    "sklearn_kmex.embedding._torch.TorchEmbedder",
    "sklearn_kmex.embedding._tree.TreeEmbedder",
)
NPY = b"\x93NUMPY"


def dump_estimator(psem: Any) -> bytes:
    """Write a model without torch modules; say what cannot be written."""
    skops = check_dependency("skops.io", caller="save_psem", extra="persist")
    try:
        raw = skops.dumps(psem)
        check_members(raw)
    except Exception as error:
        raise TypeError(
            "psem must hold estimators, arrays, numbers and text alone, besides the "
            f"module of a TorchEmbedder; got what skops cannot save safely: {error} "
            "Leave it out, and set it again after loading."
        ) from error
    return raw


def load_estimator(raw: bytes, trusted: Sequence[str]) -> Any:
    """Read a model whose types are all trusted; others are not even imported."""
    skops = check_dependency("skops.io", caller="load_psem", extra="persist")
    check_members(raw)
    known = [*TRUSTED_TYPES, *trusted]
    unknown = sorted(set(skops.get_untrusted_types(data=raw)) - set(known))
    if unknown:
        raise Refusal(
            f"it holds types that are not trusted: {', '.join(unknown)}",
            "Name them in trusted if you know who made the file.",
        )
    return skops.loads(raw, trusted=known)


def check_members(raw: bytes) -> None:
    """Refuse an archive that would grow, or that holds more than JSON and arrays.

    Members are stored as they are and lie apart, so that reading all of them takes
    no more memory than the archive; archives in the archive and pickles do not
    begin as arrays do.
    """
    with ZipFile(BytesIO(raw)) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > len(raw):
            raise Refusal("its members are larger than the file")
        if len({member.filename for member in members}) < len(members):
            raise Refusal("it has two members of one name")
        for member in members:
            if member.compress_type != ZIP_STORED:
                raise Refusal(f"its member {member.filename!r} is compressed")
            start = archive.open(member).read(len(NPY))
            if member.filename != "schema.json" and start != NPY:
                raise Refusal(f"its member {member.filename!r} is no array")

"""to_onnx: a whole model as one ONNX graph."""

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from sklearn.pipeline import make_pipeline

from sklearn_kmex._model.layout import check_n_prototypes
from sklearn_kmex._model.steps import find_kmex, uncached_steps
from sklearn_kmex.export._encoder import is_torch, make_encoder
from sklearn_kmex.utils import check_dependency
from sklearn_kmex.utils._show_versions import installed_versions

if TYPE_CHECKING:
    from sklearn_kmex._onnx.convert import ModelProto

OPSET = 18  # the one that torch.onnx writes without a conversion


def to_onnx(psem: Any, X: Any, *, n_prototypes: int = 3) -> "ModelProto":
    """Turn a fitted model into an ONNX graph that gives decisions and their reasons.

    Steps that are not of this package are converted by skl2onnx, torch encoders by
    `torch.onnx`. The graph is of opset 18 (`ai.onnx.ml` 3) and takes batches of any
    size.

    Read more in the :ref:`User Guide <serve>`.

    Parameters
    ----------
    psem : estimator
        Fitted `KMExClassifier`, or a `Pipeline` that ends in one.

    X : array-like or DataFrame of n_samples samples
        Samples as the graph will take them: their dtype is that of its input "X", and
        a DataFrame has one input for each column. float64 keeps all digits of steps
        such as `StandardScaler`. Where an embedder has a `preprocess`, the graph takes
        what that gives.

    n_prototypes : int, default=3
        Number of most similar prototypes that are given.

    Returns
    -------
    onnx.ModelProto
        Outputs: "label" of shape (n_samples,), text, int64, float64 or bool as in
        `classes_`; "probabilities" of shape (n_samples, n_classes); "prototypes" of
        shape (n_samples, n_prototypes), int64, most similar first; "similarities" of
        the same shape. Its metadata are JSON: "classes", "prototype_classes",
        "prototype_indices" (their training rows), "prototype_counts", "parameters" and
        "versions".

    Raises
    ------
    TypeError
        If a step has no converter, or the model is no `KMExClassifier`.

    MissingDependencyError
        If skl2onnx or, for a torch encoder, torch or onnxscript is not installed.

    See Also
    --------
    to_torch : A torch module, for `torch.export` and GPUs.
    sklearn_kmex.persistence.save_psem : A file that scikit-learn goes on with.

    Examples
    --------
    >>> import onnxruntime
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.export import to_onnx
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(2, random_state=0).fit(X, y)
    >>> graph = to_onnx(psem, X).SerializeToString()
    >>> session = onnxruntime.InferenceSession(graph)
    >>> label, _, prototypes, _ = session.run(None, {"X": X[:1]})
    >>> int(label[0]), int(psem.prototype_classes_[prototypes[0, 0]])
    (0, 0)
    """
    kmex, steps = find_kmex(psem), [step for _, step in uncached_steps(psem)]
    n_prototypes = check_n_prototypes(n_prototypes, kmex)
    check_dependency("skl2onnx", caller="to_onnx", extra="onnx")
    from sklearn_kmex._onnx.convert import chain, convert, finish

    before, encoder, after = split(steps)
    graphs = []
    if encoder is not None:
        if before:
            graphs.append(convert(before, as_rows(X, before[0]), OPSET))
            X = make_pipeline(*before).transform(X[:1])
        graphs.append(convert_encoder(encoder, X))
        width = (after or [kmex])[0].n_features_in_
        X = np.zeros((1, width), dtype=np.float32)
    after = [*after, kmex]
    graphs.append(convert(after, as_rows(X, after[0]), OPSET, n_prototypes))
    return finish(chain(graphs), OPSET, metadata(kmex))


def split(steps: list[Any]) -> tuple[list[Any], Any, list[Any]]:
    """Part the steps before a torch encoder, the encoder, and the steps after it."""
    places = [place for place, step in enumerate(steps) if is_torch(step)]
    if not places:
        return [], None, steps
    if len(places) > 1:
        raise TypeError(
            "psem must have at most one torch encoder to be exported; got "
            f"{len(places)}."
        )
    return steps[: places[0]], steps[places[0]], steps[places[0] + 1 :]


def as_rows(X: Any, step: Any) -> Any:
    """Leave frames and arrays as they are; refuse what a step would not take."""
    X = X if hasattr(X, "columns") or sparse.issparse(X) else np.asarray(X)
    if sparse.issparse(X) or X.ndim != 2:
        raise ValueError(
            "X must be an array or a DataFrame of rows; got "
            f"{type(X).__name__} of shape {X.shape}. ONNX takes no sparse rows: give "
            "X.toarray()."
        )
    expected = getattr(step, "n_features_in_", X.shape[1])
    if X.shape[1] != expected:
        raise ValueError(
            f"X must have the {expected} columns that {type(step).__name__} was fitted "
            f"on; got {X.shape[1]}. Give rows as predict takes them."
        )
    return X


def convert_encoder(embedder: Any, X: Any) -> "ModelProto":
    """Export the torch encoder for samples like those in X."""
    check_dependency("onnxscript", caller="to_onnx", extra="onnx")
    encoder, sample = make_encoder(embedder, X, "to_onnx")
    assert sample is not None  # X is
    from sklearn_kmex._torch.serving import encoder_to_onnx

    return encoder_to_onnx(encoder, sample, OPSET)


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

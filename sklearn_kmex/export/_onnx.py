"""to_onnx: convert a whole model to one ONNX graph."""

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from sklearn.pipeline import make_pipeline

from sklearn_kmex.export._parts import exported_parts, is_torch, make_encoder, sample_of
from sklearn_kmex.utils import check_dependency
from sklearn_kmex.utils._show_versions import installed_versions

if TYPE_CHECKING:
    from sklearn_kmex._onnx.convert import ModelProto

RULE = ("metric", "similarity", "aggregation", "priors")
OPSET = 18  # the opset that torch.onnx writes without conversion


def to_onnx(psem: Any, X: Any, *, n_prototypes: int = 3) -> "ModelProto":
    """Convert a fitted model to an ONNX graph that returns decisions and prototypes.

    Steps of other packages are converted by skl2onnx, and torch encoders by
    `torch.onnx`. The graph uses opset 18 (`ai.onnx.ml` 3) and takes batches of any
    size.

    Read more in the :ref:`User Guide <serve>`.

    Parameters
    ----------
    psem : estimator
        Fitted `KMExClassifier`, a `Pipeline` that ends in one, or a fitted search over
        one of these, whose best estimator is exported.

    X : array-like, list of str or DataFrame of n_samples samples
        Samples in the form that the graph will take. Their shape and dtype are those of
        its input "X"; for a DataFrame, the graph has one input for each column. float64
        avoids rounding in steps such as `StandardScaler`. If an embedder has a
        `preprocess`, the graph takes preprocessed samples.

    n_prototypes : int, default=3
        Number of most similar prototypes that the graph returns.

    Returns
    -------
    onnx.ModelProto
        Graph with the outputs "label" of shape (n_samples,), text, int64, float64 or
        bool like `classes_`; "probabilities" of shape (n_samples, n_classes);
        "prototypes" of shape (n_samples, n_prototypes), int64, most similar first; and
        "similarities" of the same shape. Its metadata, in JSON, are "classes",
        "prototype_classes", "prototype_indices" (their training rows),
        "prototype_counts", "parameters", "rule" (metric, similarity, aggregation and
        priors, as chosen in fit), "inputs" (the column that each input takes) and
        "versions". For rows that `predict` refuses, such as those with infinite values,
        probabilities and similarities are NaN, and the label means nothing. With a
        cosine metric, a row of zeros is compared as it is, as by `predict`, but without
        its warning.

    Raises
    ------
    TypeError
        If a step has no converter, a column of X that the model uses has no type in
        ONNX, the model does not end in a `KMExClassifier`, or it is a
        `RejectingClassifier`.

    ValueError
        If X has not the columns of the first step or is sparse, `n_prototypes` is less
        than 1, or torch cannot export the encoder.

    MissingDependencyError
        If skl2onnx or, for a torch encoder, torch or onnxscript is not installed.

    Warns
    -----
    KMExWarning
        If inputs cannot be named like the columns that they take, for example because
        of spaces.

    See Also
    --------
    to_torch : Converts a model to a torch module.
    sklearn_kmex.persistence.save_psem : Saves a model for Python.

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
    kmex, steps, n_prototypes = exported_parts(psem, n_prototypes)
    check_dependency("skl2onnx", caller="to_onnx", extra="onnx")
    from sklearn_kmex._onnx.convert import Part, chain, convert, finish

    before, encoder, after = _split(steps)
    parts = []
    if encoder is not None:
        if before:
            parts.append(convert(before, _as_rows(X, before[0]), OPSET))
            X = make_pipeline(*before).transform(X[:1])
        width = (after or [kmex])[0].n_features_in_
        parts.append(Part(_convert_encoder(encoder, X, width), ["X"]))
        X = np.zeros((1, width), dtype=np.float32)
    after = [*after, kmex]
    parts.append(convert(after, _as_rows(X, after[0]), OPSET, n_prototypes))
    return finish(*chain(parts), OPSET, _metadata(kmex))


def _split(steps: list[Any]) -> tuple[list[Any], Any, list[Any]]:
    """Split steps into those before a torch encoder, the encoder, and those after."""
    positions = [n for n, step in enumerate(steps) if is_torch(step)]
    if not positions:
        return [], None, steps
    if len(positions) > 1:
        raise TypeError(
            "psem must have at most one torch encoder to be exported; got "
            f"{len(positions)}."
        )
    n = positions[0]
    return steps[:n], steps[n], steps[n + 1 :]


def _as_rows(X: Any, step: Any) -> Any:
    """Return X as a DataFrame or array, with the columns that a step was fitted on."""
    if not hasattr(X, "columns"):
        X = X if sparse.issparse(X) else np.asarray(X)
        is_text = X.ndim == 1 and all(isinstance(text, str) for text in X)
        if sparse.issparse(X) or not (is_text or X.ndim == 2):
            raise ValueError(
                "X must be a two-dimensional array, a DataFrame or a list of texts; "
                f"got {type(X).__name__} of shape {X.shape}. ONNX has no sparse rows: "
                "pass X.toarray()."
            )
        if is_text:
            return X
    expected = getattr(step, "n_features_in_", X.shape[1])
    if X.shape[1] != expected:
        raise ValueError(
            f"X must have the {expected} columns that {type(step).__name__} was fitted "
            f"on; got {X.shape[1]}. Pass X in the form that predict takes."
        )
    return X


def _convert_encoder(embedder: Any, X: Any, width: int) -> "ModelProto":
    """Export a torch encoder for samples like those in X."""
    check_dependency("torch", caller="to_onnx", extra="torch")
    check_dependency("onnxscript", caller="to_onnx", extra="onnx")
    from sklearn_kmex._torch.serving import encoder_to_onnx

    sample = sample_of(embedder, X)
    encoder = make_encoder(embedder, sample, width)
    is_checked = getattr(embedder, "preprocess", None) is None
    return encoder_to_onnx(encoder, sample, OPSET, is_checked)


def _metadata(kmex: Any) -> dict[str, str]:
    """Describe the classes and prototypes of a classifier in JSON."""
    described = {
        "classes": kmex.classes_.tolist(),
        "prototype_classes": kmex.prototype_classes_.tolist(),
        "prototype_indices": kmex.prototype_indices_.tolist(),
        "prototype_counts": kmex.prototype_counts_.tolist(),
        "parameters": {k: repr(v) for k, v in kmex.get_params(deep=False).items()},
        "rule": {name: np.asarray(getattr(kmex, f"{name}_")).tolist() for name in RULE},
        "versions": installed_versions(),
    }
    return {name: json.dumps(value) for name, value in described.items()}

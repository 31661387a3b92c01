"""save_psem and load_psem: a whole model, its torch encoder included, in one file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sklearn_kmex._data.paths import as_path, path_to_write
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex.persistence._allowed import trusted_types
from sklearn_kmex.persistence._archive import (
    NAME,
    SCHEMA,
    check_manifest,
    digest,
    make_manifest,
    read_archive,
    write_atomically,
)
from sklearn_kmex.persistence._boosters import with_boosters, without_boosters
from sklearn_kmex.persistence._checks import check_loaded
from sklearn_kmex.persistence._earlier import update_earlier
from sklearn_kmex.persistence._estimator import build_estimator, dump_estimator
from sklearn_kmex.persistence._parts import (
    check_no_search,
    check_tokenizer,
    set_network,
    tokenizer_of,
    torch_embedders,
    without_modules,
)
from sklearn_kmex.persistence._refusal import Refusal, one_error
from sklearn_kmex.persistence._state import check_states
from sklearn_kmex.utils import check_dependency

if TYPE_CHECKING:
    from sklearn_kmex._torch.types import Module

ESTIMATOR = "estimator"  # name of the tensor that holds the estimator as bytes
WEIGHTS = "module."  # start of the names of weights


def save_psem(psem: Any, path: str | os.PathLike) -> None:
    """Save a fitted model to one file, without pickle.

    The file has the safetensors format. It contains the weights of the torch encoder,
    if there is one, models of XGBoost, LightGBM and CatBoost as their libraries write
    them, the other steps as `skops.io` writes them, and a manifest in JSON
    with versions, parameters, a schema number and a checksum. A file at `path` is
    replaced only after the new one is complete; its permissions stay, and a symbolic
    link is followed.

    Read more in the :ref:`User Guide <serve>`.

    Parameters
    ----------
    psem : estimator
        Fitted `KMExClassifier`, a `Pipeline` that ends in one, or a
        `RejectingClassifier` around one of these. For a `TorchEmbedder`, the weights
        of the module are saved, and its code is not. For a `CachedEmbedder`, the
        embedder inside is saved, and a `Pipeline` without its `memory`. For a fitted
        search, pass its `best_estimator_`.

    path : str or os.PathLike
        Where to save. An existing file is replaced.

    Raises
    ------
    TypeError
        If a step cannot be saved without pickle, it has a function or class that
        cannot be imported by its name (a lambda, one inside a function, or one of
        `__main__`), the model is or contains a search, or the path is of another type.
        Nothing is written.

    FileNotFoundError
        If the folder of the path does not exist.

    MissingDependencyError
        If skops or safetensors is not installed.

    See Also
    --------
    load_psem : Loads the file.
    skops.io.dump : Saves models without torch.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.persistence import load_psem, save_psem
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(2, random_state=0).fit(X, y)
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "iris.safetensors"
    ...     save_psem(psem, path)
    ...     loaded = load_psem(path)
    >>> bool((loaded.predict_proba(X) == psem.predict_proba(X)).all())
    True
    """
    find_sem(psem)
    check_no_search(psem)
    path = path_to_write(as_path(path).resolve())
    embedders = torch_embedders(psem)
    modules = {id(one._network()): one._network() for one in embedders}
    if len(modules) > 1:
        raise TypeError(
            f"psem must have at most one torch encoder; got {len(modules)}."
        )
    module = next(iter(modules.values()), None)
    estimator = dump_estimator(without_boosters(without_modules(psem)))
    manifest = {**make_manifest(psem, module), "tokenizer": tokenizer_of(embedders)}
    metadata = {NAME: json.dumps(manifest)}
    metadata["sha256"] = digest(_serialize(estimator, module, metadata))
    write_atomically(path, _serialize(estimator, module, metadata))


def load_psem(
    path: str | os.PathLike,
    module: Module | None = None,
    *,
    tokenizer: Any = None,
    trusted: str | Sequence[str] = (),
) -> Any:
    """Load a model that `save_psem` wrote, without running code from the file.

    Only types of a list of this package are built: its estimators, and transformers,
    networks, forests and trees of scikit-learn. All of their state is checked, so that
    also a forged file raises an error. Other types have to be named in `trusted`.

    Read more in the :ref:`User Guide <serve>`.

    Parameters
    ----------
    path : str or os.PathLike
        The file.

    module : torch.nn.Module, default=None
        The encoder's architecture, as your own code makes it; required if the model
        has a torch encoder. Its weights are replaced by those of the file, after all
        names, shapes and dtypes were found to agree.

    tokenizer : tokenizer of transformers, default=None
        The tokenizer of a :class:`~sklearn_kmex.embedding.TextEmbedder` whose module
        has none. It must have the vocabulary of the one that was saved.

    trusted : str or sequence of str, default=()
        Types and functions that may be loaded besides, such as
        "sklearn.svm._classes.SVC" or "my_package.preprocess"; the error lists them. The
        words "xgboost", "lightgbm", "catboost" and "sklearn_boosting" stand for all
        types that boosted models of this library need. For a module with
        `set_extra_state`, also the names of extra state in the file. Their state is not
        checked: name them only if you know who wrote the file, since a forged one can
        run code, crash the process or change its memory.

    Returns
    -------
    estimator
        The fitted model, as it was saved. Files of earlier versions decide as before,
        and get the present parameters and attributes: `metric="euclidean"`,
        `priors="class"` for "empirical", and `cv_results_` without standard errors.

    Raises
    ------
    TypeError
        If the path is neither str nor os.PathLike, or the module is no torch module.

    ModelFileError
        If the file is damaged, was written by a newer version, contains types that are
        neither allowed nor trusted, has values that no `fit` leaves, or does not fit
        the module; or if an earlier version wrote it with
        `aggregation="sum"`, several prototypes of a class and a temperature other than
        1, which would now decide otherwise. The module is then unchanged, and types
        that are not trusted are not imported.

    MissingDependencyError
        If skops, safetensors or, for a torch encoder, torch is not installed.

    See Also
    --------
    save_psem : Writes the file.

    Examples
    --------
    >>> import pickle
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn_kmex.exceptions import ModelFileError
    >>> from sklearn_kmex.persistence import load_psem
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "psem.safetensors"
    ...     _ = path.write_bytes(pickle.dumps(print))
    ...     try:
    ...         load_psem(path)
    ...     except ModelFileError:
    ...         print("refused")
    refused
    """
    path = as_path(path)
    if isinstance(module, type) or not (
        module is None or hasattr(module, "state_dict")
    ):
        raise TypeError(
            f"module must be a torch.nn.Module or None; got {module!r}. Pass the "
            "architecture of the encoder, as your own code makes it."
        )
    raw, trusted = path.read_bytes(), trusted_types(trusted)
    with one_error(path):
        manifest, tensors = read_archive(raw)
        check_manifest(manifest)
        raw_estimator = bytes(tensors.pop(ESTIMATOR)["data"])
        psem = with_boosters(build_estimator(raw_estimator, trusted))
        if manifest["schema"] < SCHEMA:
            update_earlier(psem, manifest["versions"].get("sklearn-kmex"))
        check_states(psem, trusted)
        check_loaded(psem)
        embedders = torch_embedders(psem)
        _check_module(module, embedders, manifest)
        if module is not None:
            _check_extra_state(tensors, trusted)
            _load_module_weights(module, raw)
            for embedder in embedders:
                set_network(embedder, module, tokenizer)
            check_tokenizer(embedders, manifest.get("tokenizer"))
    return psem


def _serialize(estimator: bytes, module: Any, metadata: dict[str, str]) -> bytes:
    """Return the bytes of a file: the estimator as a tensor, and the weights."""
    content = np.frombuffer(estimator, dtype=np.uint8)
    if module is None:
        numpy = check_dependency(
            "safetensors.numpy", caller="save_psem", extra="persist"
        )
        return numpy.save({ESTIMATOR: content}, metadata)
    from sklearn_kmex._torch.weights import serialize_weights

    return serialize_weights(module, {ESTIMATOR: content}, metadata)


def _check_module(module: Any, embedders: list[Any], manifest: dict[str, Any]) -> None:
    """Require a module if there is a torch encoder, and refuse one otherwise."""
    if (module is None) == bool(embedders):
        kind = manifest["module"]
        raise Refusal(
            f"it has {'a' if embedders else 'no'} torch encoder, and module is "
            f"{type(module).__name__}",
            f"Pass module={kind}(...), as your code makes it."
            if kind
            else "Leave module out.",
        )


def _check_extra_state(tensors: Iterable[str], trusted: Sequence[str]) -> None:
    """Refuse extra state, which `set_extra_state` of a module may read as a pickle."""
    names = [name.removeprefix(WEIGHTS) for name in tensors]
    extra = [name for name in names if name.rpartition(".")[2] == "_extra_state"]
    unknown = sorted(set(extra).difference(trusted))
    if unknown:
        raise Refusal(
            f"it has extra state that is not trusted: {', '.join(unknown)}",
            "Name it in trusted only if you know who wrote the file: the module's "
            "set_extra_state reads it, and may run code from it.",
        )


def _load_module_weights(module: Module, raw: bytes) -> None:
    """Load the weights of a file into a module."""
    check_dependency("torch", caller="load_psem", extra="torch")
    from sklearn_kmex._torch.weights import load_weights

    wrong = load_weights(module, raw, ESTIMATOR)
    if wrong:
        raise Refusal(
            f"module {type(module).__name__} differs from the saved one: {wrong}",
            "Create the module as it was created before saving.",
        )

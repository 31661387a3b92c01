"""The scores of samples that relevance explains, and the steps behind an encoder."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.preprocessing import Normalizer

from sklearn_kmex._model.decision import decide
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.rule import rule_of
from sklearn_kmex._model.steps import embed
from sklearn_kmex.explain._probe import affine_matrix, rows_of, transform_silently
from sklearn_kmex.explain._settings import explained_codes, prototype_ids

if TYPE_CHECKING:
    from sklearn_kmex._torch.projection import Affine, Length
    from sklearn_kmex._torch.scores import Target

# Orders of the norms of Normalizer.
NORMS = {"l1": 1.0, "l2": 2.0, "max": np.inf}


def find_scores(
    psem: Any,
    X: Any,
    layers: "list[Affine | Length]",
    target: str,
    labels: ArrayLike | None = None,
    prototypes: ArrayLike | None = None,
    rule: str | None = None,
) -> "tuple[Target, bool]":
    """Return what is explained of each sample, and whether by several maps."""
    from sklearn_kmex._torch.scores import Target

    sem = find_sem(psem)
    decision = decide(sem, embed(psem, X))
    ids = prototype_ids(prototypes, decision)
    labels = decision.classes[decision.predicted] if labels is None else labels
    codes = explained_codes(psem, X, labels, decision.classes)
    rivals = decision.most_similar(decision.owners != codes[:, np.newaxis])
    several = target in ("similarity", "lead") and ids.ndim == 2
    ids = ids.reshape(len(ids), -1)
    others = decision.owners[rivals]
    return Target(target, rule, codes, others, ids, rule_of(sem), layers), several


def layers_of(steps: list[Any], Z: Any) -> "list[Affine | Length]":
    """Return the steps between an encoder and the classifier as layers."""
    if not steps:
        return []
    rows, layers = rows_of(Z).astype(np.float64), []
    for step in steps:
        layers.append(_layer(step, rows))
        rows = transform_silently(step, rows)
    return layers


def _layer(step: Any, rows: NDArray[np.float64]) -> "Affine | Length":
    from sklearn_kmex._torch.projection import Affine, Length

    if isinstance(step, Normalizer):
        return Length(NORMS[step.norm])
    matrix = affine_matrix(step, rows, transform_silently(step, rows))
    if matrix is None:
        raise TypeError(
            "psem must have only affine steps, such as a scaler or PCA, and Normalizer "
            "between its torch encoder and its classifier; it has "
            f"{type(step).__name__}."
        )
    offset = transform_silently(step, np.zeros((1, rows.shape[1])))[0]
    return Affine(np.ascontiguousarray(matrix.T), offset)

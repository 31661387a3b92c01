"""The settings that a classifier compared before it chose one."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Compared(NamedTuple):
    """Ways in which prototypes decide, each with its best number, best first."""

    settings: list[dict[str, Any]]  # without n_prototypes
    n_prototypes: list[Any]
    mean_scores: NDArray[np.float64]
    standard_errors: NDArray[np.float64]  # of the difference from the best
    accepted: NDArray[np.bool_]
    chosen: int
    chosen_n_prototypes: Any
    chosen_score: float
    score_name: str


def compared_settings(sem: Any) -> Compared | None:
    """Read what a fitted classifier compared, or None if it compared nothing."""
    results = getattr(sem, "cv_results_", {})
    if "accepted" not in results:
        return None
    means, params = results["mean_test_score"], results["params"]
    lines: dict[str, list[int]] = {}  # candidates that differ in their number
    for row in np.argsort(-means, kind="stable").tolist():
        lines.setdefault(repr(_rule(params[row])), []).append(row)
    rows = [line[0] for line in lines.values()]
    return Compared(
        [_rule(params[row]) for row in rows],
        [params[row]["n_prototypes"] for row in rows],
        means[rows],
        results["standard_error"][rows],
        np.array([results["accepted"][line].any() for line in lines.values()]),
        [sem.best_index_ in line for line in lines.values()].index(True),
        sem.best_params_["n_prototypes"],
        float(means[sem.best_index_]),
        score_name(sem),
    )


def score_name(sem: Any) -> str:
    """Return the name of the scores by which a classifier chose."""
    return getattr(sem, "scoring", "neg_log_loss").replace("_", " ")


def _rule(params: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name != "n_prototypes"}

"""Held-out scores for each number of prototypes, from a fitted search."""

from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._model.protocol import innermost, levels


class Curve(NamedTuple):
    """Results of a search for the number of prototypes."""

    numbers: NDArray  # (n_numbers,), ascending
    scores: NDArray  # (n_numbers, n_folds)
    name: str
    chosen: tuple[float, float] | None
    threshold: float | None = None


def find_curve(estimator: Any, scoring: str | None) -> Curve:
    """Read the curve of the outermost fitted search."""
    searches = [one for one in levels(estimator) if hasattr(one, "cv_results_")]
    if not searches:
        names = [type(one).__name__ for one in (estimator, innermost(estimator))]
        inside = f" with {names[1]} inside" if names[0] != names[1] else ""
        raise TypeError(
            "estimator must be a fitted KMExClassifierCV, or a fitted search such as "
            f"GridSearchCV over n_prototypes; got {names[0]}{inside}, without "
            "cv_results_."
        )
    if "params" in searches[0].cv_results_:
        return _curve_of_search(searches[0], scoring)
    return _curve_of_classifier(searches[0], scoring)


def _curve_of_classifier(psem: Any, scoring: str | None) -> Curve:
    """Read a KMExClassifierCV."""
    name = psem.scoring.replace("_", " ")
    _check_scoring(scoring, [psem.scoring])
    results, threshold = psem.cv_results_, psem.cv_threshold_
    numbers, means = results["n_prototypes"], results["mean_test_score"]
    enough = numbers[means >= threshold - 1e-12]  # the first is chosen
    chosen: tuple[float, float] | None = (enough[0].item(), enough[0].item())
    if psem.per_class:
        counts = psem.n_prototypes_
        whole = numbers.dtype.kind in "iu"
        chosen = (int(counts.min()), int(counts.max())) if whole else None
    return Curve(numbers, _split_scores(results, "score"), name, chosen, threshold)


def _curve_of_search(search: Any, scoring: str | None) -> Curve:
    """Read a search of scikit-learn, with other parameters at their best values."""
    results = search.cv_results_
    score = _score_name(search, scoring)
    parameter = _count_parameter(results)
    rows = _comparable(search, parameter)
    numbers = np.array([_check_number(results["params"][r][parameter]) for r in rows])
    numbers, first = np.unique(numbers, return_index=True)
    scores = _split_scores(results, score)[np.array(rows)[first]]
    best = getattr(search, "best_index_", None)
    chosen = None
    if best is not None:
        chosen = (results["params"][best][parameter],) * 2
    return Curve(numbers, scores, score.replace("_", " "), chosen)


def _split_scores(results: dict[str, Any], score: str) -> NDArray:
    """Stack the scores of the folds, (n_candidates, n_folds)."""
    ending = f"_test_{score}"
    names = [name for name in results if name.endswith(ending)]
    splits = [results[n] for n in names if n[: -len(ending)].startswith("split")]
    return np.stack(splits, axis=1)


def _score_name(search: Any, scoring: str | None) -> str:
    """Return the name of the score in cv_results_."""
    starts = [name for name in search.cv_results_ if name.startswith("mean_test_")]
    known = [name.removeprefix("mean_test_") for name in starts]
    if scoring is None and known == ["score"]:
        return "score"
    if scoring is None and isinstance(search.refit, str):
        return search.refit
    _check_scoring(scoring, known, needed=True)
    return str(scoring)


def _check_scoring(
    scoring: str | None, known: list[str], *, needed: bool = False
) -> None:
    if scoring not in known and (needed or scoring is not None):
        raise ValueError(
            f"scoring must be one of the scores of the search, {known}; got "
            f"{scoring!r}."
        )


def _count_parameter(results: dict[str, Any]) -> str:
    """Return the one parameter that is a number of prototypes."""
    keys = [name.removeprefix("param_") for name in results if name[:6] == "param_"]
    found = [name for name in keys if name.rpartition("__")[2] == "n_prototypes"]
    if len(found) != 1:
        raise ValueError(
            "estimator must have searched over one n_prototypes, its own or that of a "
            f"step; it searched over {keys}."
        )
    return found[0]


def _comparable(search: Any, parameter: str) -> list[int]:
    """List candidates that differ from the best only in the number of prototypes."""
    candidates = search.cv_results_["params"]
    best = candidates[getattr(search, "best_index_", 0)]

    def like_best(candidate: dict[str, Any]) -> bool:
        names = (candidate.keys() | best.keys()) - {parameter}
        return parameter in candidate and all(
            name in candidate and name in best and _same(candidate[name], best[name])
            for name in names
        )

    rows = [row for row, one in enumerate(candidates) if like_best(one)]
    if len(rows) < len(candidates) and not hasattr(search, "best_index_"):
        raise ValueError(
            "estimator must know its best candidate if it searched over other "
            "parameters than n_prototypes; set refit to a score."
        )
    return rows


def _same(one: Any, other: Any) -> bool:
    return one is other or np.array_equal(one, other)


def _check_number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(
            "estimator must have searched over numbers of prototypes; got "
            f"n_prototypes={value!r} among them."
        )
    return value

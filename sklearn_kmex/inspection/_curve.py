"""Held-out scores for each number of prototypes, from a fitted search."""

from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._data.arrays import to_numpy
from sklearn_kmex._model.compared import score_name
from sklearn_kmex._model.protocol import innermost, levels


class Curve(NamedTuple):
    """Results of a search for the number of prototypes."""

    numbers: NDArray  # (n_numbers,), ascending
    means: NDArray[np.float64]  # (n_numbers,)
    errors: NDArray[np.float64]  # standard errors
    name: str  # of the scores
    chosen: tuple[float, float] | None
    accepted: NDArray[np.bool_] | None = None  # where a tolerance was applied
    best: float | None = None  # the largest score, of all settings


def find_curve(estimator: Any, scoring: str | None) -> Curve:
    """Read the curve of the outermost fitted search."""
    searches = [one for one in levels(estimator) if hasattr(one, "cv_results_")]
    if not searches:
        names = [type(one).__name__ for one in (estimator, innermost(estimator))]
        inside = f" with {names[1]} inside" if names[0] != names[1] else ""
        raise TypeError(
            "estimator must be a fitted KMExClassifierCV, a fitted KMExClassifier with "
            "n_prototypes='auto', or a fitted search such as GridSearchCV over "
            f"n_prototypes; got {names[0]}{inside}, without cv_results_."
        )
    search, results = searches[0], searches[0].cv_results_
    parameter = _count_parameter(results)
    rows = _comparable(search, parameter)
    numbers = np.array([_check_number(results["params"][r][parameter]) for r in rows])
    numbers, first = np.unique(numbers, return_index=True)
    if len(numbers) == 1:
        raise ValueError(
            "estimator must have compared several numbers of prototypes; it compared "
            f"only n_prototypes={numbers[0]}. SearchDisplay shows the other parameters "
            "that were compared."
        )
    read = _of_our_search if "accepted" in results else _of_other_search
    return read(search, numbers, np.array(rows)[first], parameter, scoring)


def _of_our_search(
    sem: Any, numbers: NDArray, rows: NDArray, parameter: str, scoring: str | None
) -> Curve:
    """Read a KMExClassifierCV, or a KMExClassifier that chose for itself."""
    _check_scoring(scoring, [getattr(sem, "scoring", "neg_log_loss")])
    results = sem.cv_results_
    means = results["mean_test_score"]
    number = sem.best_params_[parameter]
    chosen: tuple[float, float] | None = (number, number)
    if getattr(sem, "per_class", False):
        counts = to_numpy(sem.n_prototypes_)
        whole = numbers.dtype.kind in "iu"
        chosen = (int(counts.min()), int(counts.max())) if whole else None
    return Curve(
        numbers,
        means[rows],
        results["standard_error"][rows],
        score_name(sem),
        chosen,
        results["accepted"][rows],
        float(means.max()),
    )


def _of_other_search(
    search: Any, numbers: NDArray, rows: NDArray, parameter: str, scoring: str | None
) -> Curve:
    """Read a search of scikit-learn."""
    results = search.cv_results_
    name = _score_name(search, scoring)
    scores = _split_scores(results, name)[rows]
    n_folds = scores.shape[1]
    errors = np.full(len(scores), np.nan)  # one fold has none
    if n_folds > 1:
        errors = scores.std(axis=1, ddof=1) / np.sqrt(n_folds)
    best = getattr(search, "best_index_", None)
    chosen = None if best is None else (results["params"][best][parameter],) * 2
    return Curve(numbers, scores.mean(axis=1), errors, name.replace("_", " "), chosen)


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
    differing = [_differing(one, best) for one in candidates]
    rows = [row for row, names in enumerate(differing) if names <= {parameter}]
    if len(rows) < len(candidates) and not hasattr(search, "best_index_"):
        raise ValueError(
            "estimator must know its best candidate if it searched over other "
            "parameters than n_prototypes; set refit to a score."
        )
    if "accepted" in search.cv_results_:
        # With one prototype a class, "max" stands for "sum", which is equal to it.
        known = [candidates[row][parameter] for row in rows]
        rows += [
            row
            for row, names in enumerate(differing)
            if names == {parameter, "aggregation"}
            and candidates[row][parameter] not in known
        ]
    return rows


def _differing(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    """Return the names of the parameters in which two candidates differ."""
    return {
        name
        for name in one.keys() | other.keys()
        if name not in one or name not in other or not _same(one[name], other[name])
    }


def _same(one: Any, other: Any) -> bool:
    return one is other or np.array_equal(one, other)


def _check_number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(
            "estimator must have searched over numbers of prototypes; got "
            f"n_prototypes={value!r} among them."
        )
    return value

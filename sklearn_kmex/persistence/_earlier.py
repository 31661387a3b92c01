"""Files of schema 1, in which prototypes decided without metric and weights."""

from typing import Any

import numpy as np
from scipy.stats import rankdata

from sklearn_kmex._classifier import KMExClassifier
from sklearn_kmex._classifier_cv import KMExClassifierCV
from sklearn_kmex.persistence._parts import models_in
from sklearn_kmex.persistence._refusal import Refusal

# Parameters and attributes that all models of schema 1 would have had.
PARAMETERS = {"metric": "euclidean", "shrinkage": "auto", "teacher": None}
ATTRIBUTES = {"metric_": "euclidean", "metric_map_": None, "shrinkage_": None}
# Of other estimators, parameters that came later, and what they did without them.
LATER: dict[str, dict[str, Any]] = {
    "EmbeddingPipeline": {"black_box": None, "classes": None},
    "TreeEmbedder": {"leaves": "identity", "out_of_bag": False},
}
RULE = ("metric", "similarity", "aggregation", "priors")
# Former and present keys of the entries in `edit_log_`.
LOG_KEYS = {"why": "reason"}


def update_earlier(psem: Any, made: str) -> None:
    """Give a model of schema 1 the parameters and attributes of the present one.

    `made` is the version that wrote the file.
    """
    for model in models_in(psem):
        for name, value in LATER.get(type(model).__name__, {}).items():
            vars(model).setdefault(name, value)
        if isinstance(model, KMExClassifier):
            _update_parameters(model)
            if hasattr(model, "temperature_"):
                _check_decisions(model, made)
                _update_attributes(model)


def _update_parameters(model: Any) -> None:
    state = vars(model)
    state.update(PARAMETERS)
    if isinstance(model, KMExClassifierCV) and "n_prototypes" in state:
        state["candidates"] = state.pop("n_prototypes")
    if isinstance(model.priors, str) and model.priors == "empirical":
        model.priors = "class"


def _check_decisions(model: Any, made: str) -> None:
    """Refuse a sum of similarities that were not divided by the temperature."""
    several = bool((model.n_prototypes_ > 1).any())
    if model.aggregation == "sum" and several and model.temperature_ != 1:
        raise Refusal(
            'its aggregation="sum" adds similarities before they are divided by the '
            f"temperature, {model.temperature_:.3g}, and this version after it, which "
            "decides otherwise",
            f"Fit the model again, or load it with sklearn-kmex {made}, which wrote "
            "the file.",
        )


def _update_attributes(model: Any) -> None:
    state = vars(model)
    state.update(ATTRIBUTES)
    for name in ("similarity", "aggregation", "priors"):
        state[f"{name}_"] = state[name]
    model.edit_log_ = [
        {LOG_KEYS.get(key, key): value for key, value in entry.items()}
        for entry in model.edit_log_
    ]
    if "cv_threshold_" in state:
        _update_search(model, state.pop("cv_threshold_"))


def _update_search(model: Any, wanted: float) -> None:
    """Give the results of a search their present form.

    Standard errors, which were those of the best candidate alone, become nan.
    """
    scores = dict(model.cv_results_)
    rule = {name: getattr(model, f"{name}_") for name in RULE} | {"shrinkage": "auto"}
    params = [{"n_prototypes": n, **rule} for n in scores.pop("n_prototypes").tolist()]
    means = scores["mean_test_score"]
    columns = {f"param_{name}": np.empty(len(params), object) for name in params[0]}
    for name in params[0]:
        columns[f"param_{name}"][:] = [one[name] for one in params]
    model.cv_results_ = {
        "params": params,
        **columns,
        **scores,
        "rank_test_score": rankdata(-means, method="min").astype(np.int32),
        "standard_error": np.full(len(means), np.nan),
        "accepted": means >= wanted,
    }
    model.best_index_ = int(np.flatnonzero(means >= wanted)[0])
    model.best_params_ = params[model.best_index_]

"""How prototypes decide, in plain words, and why by this setting."""

from collections.abc import Iterator, Mapping
from numbers import Integral
from typing import Any

import numpy as np

from sklearn_kmex._data.arrays import to_numpy
from sklearn_kmex._model.predictor import PrototypePredictor
from sklearn_kmex._model.rule import Rule, rule_of
from sklearn_kmex.report._text import as_cell, counted

N_BEST = 5
METRICS = {
    "euclidean": "The distance between a sample and a prototype is the Euclidean "
    "(straight-line) distance of their embeddings, the numbers by which the encoder "
    "describes a sample.",
    "cosine": "The distance between a sample and a prototype depends on the direction "
    "of their embeddings only: each embedding is first scaled to length one (cosine).",
    "mahalanobis": "The distance between a sample and a prototype takes into account "
    "how embeddings vary within a class: differences in directions in which samples of "
    "the same class vary much count less (Mahalanobis distance).",
    "cosine_mahalanobis": "Each embedding is first scaled to length one. The distance "
    "between a sample and a prototype then takes into account how embeddings vary "
    "within a class: differences in directions in which samples of the same class vary "
    "much count less (Mahalanobis distance).",
}
SIMILARITIES = {
    "log": "The similarity decreases with the logarithm of the distance d: it is "
    "log((d + 1) / (d + {epsilon:g})), at most {most:.3g} and at least 0.",
    "gaussian": "The similarity is minus half the squared distance, at most 0.",
}
AGGREGATIONS = {
    "max": "The prototype with the highest{weighted} similarity decides: its class is "
    "predicted.",
    "sum": "All prototypes of a class count, the most similar ones most: their "
    "similarities are combined{weighted} into a score of the class, and the class of "
    "the highest score is predicted.",
}
WEIGHTS = {
    "uniform": "All prototypes have the same weight.",
    "class": "A prototype is weighted by the share of its class in the training "
    "samples, so that a frequent class is preferred over a rare one at equal "
    "similarity.",
    "prototype": "A prototype is weighted by the share of the training samples that it "
    "represents, so that a prototype of many samples is preferred over one of few at "
    "equal similarity.",
    "given": "A prototype is weighted by the probability of its class before a sample "
    "is seen, as given by the user.",
}
SHRUNK = (
    "The correlations of the embeddings within a class were estimated from the "
    "training samples, and shrunk towards 0 by {share:.0%}."
)
MEASURES = {
    "neg_log_loss": "log loss",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
}


def describe_rule(sem: Any) -> dict[str, Any] | None:
    """Describe how prototypes decide; None for a model of another kind."""
    if not isinstance(sem, PrototypePredictor):
        return None
    rule, priors = rule_of(sem), getattr(sem, "priors_", "uniform")
    return {
        "metric": rule.metric.name,
        "shrinkage": getattr(sem, "shrinkage_", None),
        "similarity": rule.similarity,
        "aggregation": rule.aggregation,
        "priors": priors if isinstance(priors, str) else "given",
        "temperature": float(rule.temperature),
        "sentences": list(rule_sentences(rule, priors, sem)),
        "search": describe_search(sem),
    }


def rule_sentences(rule: Rule, priors: Any, sem: Any) -> Iterator[str]:
    """Describe the rule, one step after the other."""
    yield METRICS[rule.metric.name]
    if rule.metric.mapped:
        yield SHRUNK.format(share=sem.shrinkage_)
    yield SIMILARITIES[rule.similarity].format(
        epsilon=rule.epsilon, most=-np.log(rule.epsilon)
    )
    equal = np.ptp(rule.weights) == 0
    yield AGGREGATIONS[rule.aggregation].format(weighted=weighted(rule, equal))
    yield WEIGHTS[priors if isinstance(priors, str) else "given"]
    if not equal:
        low, high = rule.weights.min(), rule.weights.max()
        yield f"The largest weight is {high / low:.3g} times the smallest."
    source = "given by the user"
    if getattr(sem, "temperature", None) == "auto":
        source = "fitted to training samples that were held out"
    yield (
        "Probabilities are computed from the class scores divided by the temperature, "
        f"{rule.temperature:.3g}, which was {source}. A higher temperature makes "
        "probabilities more even."
    )


def weighted(rule: Rule, equal: bool) -> str:
    """Return what the sentence about the aggregation says of unequal weights."""
    if equal:
        return ""
    return " weighted" if rule.aggregation == "max" else ", with weights,"


def describe_search(sem: Any) -> dict[str, Any] | None:
    """Describe what was compared; None if all parameters were given."""
    results = getattr(sem, "cv_results_", {})
    if "accepted" not in results:
        return None
    scoring, means = getattr(sem, "scoring", "neg_log_loss"), results["mean_test_score"]
    order = np.argsort(-means, kind="stable").tolist()
    shown = order[:N_BEST]
    if sem.best_index_ not in shown:
        shown.append(sem.best_index_)
    found = {
        "measure": MEASURES[scoring],
        "labels": "probabilities" if has_teacher(sem) else "labels",
        "n_folds": sum(name.startswith("split") for name in results),
        "n_settings": len(means),
        "n_accepted": int(np.count_nonzero(results["accepted"])),
        "settings": [setting(sem, row, scoring, means.max()) for row in shown],
    }
    return {"reason": reason(sem, found), **found}


def has_teacher(sem: Any) -> bool:
    """Return whether the probabilities of a black box replaced the labels."""
    teacher = getattr(sem, "teacher", None)
    if teacher is None:
        return False
    return teacher.predict_proba(to_numpy(sem.prototypes_[:1])) is not None


def setting(sem: Any, row: int, scoring: str, best: float) -> dict[str, Any]:
    """Describe a candidate. Values of loss and accuracy are as usual, not negated."""
    results = sem.cv_results_
    params, mean = results["params"][row], float(results["mean_test_score"][row])
    priors = params["priors"]
    return {
        **params,
        "n_prototypes": number(params["n_prototypes"]),
        "priors": priors if isinstance(priors, str) else "given",
        "value": -mean if scoring == "neg_log_loss" else mean,
        "worse_by": float(best) - mean,
        "standard_error": float(results["standard_error"][row]),
        "accepted": bool(results["accepted"][row]),
        "chosen": row == sem.best_index_,
    }


def number(n_prototypes: Any) -> str:
    """Name a number of prototypes, a share of the samples, or numbers by class."""
    if isinstance(n_prototypes, Mapping):
        return "as given for each class"
    if isinstance(n_prototypes, Integral):
        return str(n_prototypes)
    return f"{as_cell(float(n_prototypes))} of the samples"


def reason(sem: Any, found: dict[str, Any]) -> str:
    """Say why this setting was chosen."""
    chosen = next(one for one in found["settings"] if one["chosen"])
    what = f"{how_many(sem)} with the {chosen['metric']} metric"
    if found["n_settings"] == 1:
        return f"{what}: the only setting that was compared."
    compared = f"the best of {counted(found['n_settings'], 'setting')}"
    within = "within one standard error"
    if getattr(sem, "tolerance", "standard_error") != "standard_error":
        within = f"within the tolerance of {sem.tolerance:g}"
    if chosen["worse_by"] == 0:
        return f"{what}: {compared}; none with fewer prototypes is as good {within}."
    return f"{what}: as good as {compared} {within}, with the fewest prototypes."


def how_many(sem: Any) -> str:
    """Return the chosen number of prototypes of the classes, which may differ."""
    given = sem.best_params_["n_prototypes"]
    if getattr(sem, "per_class", False) or not isinstance(given, Integral):
        counts = to_numpy(sem.n_prototypes_)
        return f"{counts.min()} to {counts.max()} prototypes of each class"
    return f"{counted(int(given), 'prototype')} of each class"

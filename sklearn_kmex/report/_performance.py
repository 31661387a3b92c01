"""Accuracy: overall, for each class, and compared to the black box."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex.metrics import (
    diversity_scorer,
    ghosting_rate,
    usage_entropy_score,
)
from sklearn_kmex.report._answers import Answers
from sklearn_kmex.report._estimates import paired_difference, share, shares
from sklearn_kmex.report._ranking import ranking

N_CONFUSIONS = 10
N_MATRIX = 20  # classes of a confusion matrix, at most
N_BINS = 10
BIN_SIZE = 30  # samples, at least


def performance(
    answers: Answers, names: list[str], known: NDArray | None = None
) -> dict[str, Any]:
    """Compute accuracy, also of the black box, and the figures of each class.

    `known` are the class codes of the training samples, if they are given.
    """
    correct = answers.correct
    recalls = recall_of_classes(answers, answers.decision.predicted, names)
    present = [recall["value"] for recall in recalls if recall["n"]]
    return {
        "accuracy": share(correct),
        "balanced_accuracy": float(np.mean(present)),
        "most_frequent": most_frequent(answers, names, known),
        "rejection": rejection(answers),
        "black_box": compare_to_black_box(answers),
        "black_box_doubt": answers.doubt,
        "classes": of_classes(answers, names, recalls),
        "ranking": ranking(answers, names),
        "confusions": confusions(answers, names),
        "matrix": confusion_matrix(answers, names),
    }


def most_frequent(
    answers: Answers, names: list[str], known: NDArray | None
) -> dict[str, Any]:
    """Compute what predicting the most frequent class for all samples would get."""
    counted = answers.codes if known is None else known
    code = int(np.bincount(counted).argmax())
    right = answers.codes == code
    gap = paired_difference(answers.correct, right)
    return {
        "label": names[code],
        "of": "samples" if known is None else "training samples",
        "accuracy": share(right),
        "gap": {key: gap[key] for key in ("value", "low", "high", "n")},
    }


def rejection(answers: Answers) -> dict[str, Any] | None:
    """Compute what a RejectingClassifier rejects, and its accuracy on the rest."""
    if answers.accepted is None:
        return None
    return {
        "rejected": share(~answers.accepted),
        "accuracy_of_accepted": share(answers.correct[answers.accepted]),
    }


def compare_to_black_box(answers: Answers) -> dict[str, Any] | None:
    """Compare predictions with those of the black box, if there is one."""
    if answers.black_box is None:
        return None
    correct = answers.black_box == answers.codes
    gap = paired_difference(answers.correct, correct)
    return {
        "accuracy": share(correct),
        "agreement": share(answers.black_box == answers.decision.predicted),
        "only_model_correct": gap.pop("only_first"),
        "only_black_box_correct": gap.pop("only_second"),
        "gap": gap,
    }


def recall_of_classes(
    answers: Answers, predicted: NDArray, names: list[str]
) -> list[dict[str, Any]]:
    hits = np.bincount(answers.codes[predicted == answers.codes], minlength=len(names))
    return shares(hits, np.bincount(answers.codes, minlength=len(names)))


def of_classes(
    answers: Answers, names: list[str], recalls: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """List recall, specificity, precision and the recall of the black box by class."""
    n_classes, predicted = len(names), answers.decision.predicted
    hits = np.bincount(answers.codes[answers.correct], minlength=n_classes)
    n_predicted = np.bincount(predicted, minlength=n_classes)
    n_others = len(predicted) - np.bincount(answers.codes, minlength=n_classes)
    specificities = shares(n_others - (n_predicted - hits), n_others)
    precisions = shares(hits, n_predicted)
    of_black_box: list[Any] = [None] * n_classes
    if answers.black_box is not None:
        of_black_box = recall_of_classes(answers, answers.black_box, names)
    keys = ("label", "recall", "specificity", "precision", "black_box_recall")
    columns = zip(names, recalls, specificities, precisions, of_black_box, strict=True)
    return [dict(zip(keys, row, strict=True)) for row in columns]


def confusions(answers: Answers, names: list[str]) -> list[dict[str, Any]]:
    """List the most frequent errors: pairs of a true and a predicted class."""
    wrong = ~answers.correct
    pairs = np.stack([answers.codes[wrong], answers.decision.predicted[wrong]])
    found, counts = np.unique(pairs, axis=1, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:N_CONFUSIONS]
    return [
        {
            "label": names[found[0, i]],
            "prediction": names[found[1, i]],
            "n": int(counts[i]),
        }
        for i in order
    ]


def confusion_matrix(answers: Answers, names: list[str]) -> dict[str, Any]:
    """Count samples by class and predicted class.

    Of many classes, those with the most errors are shown, and the others together.
    """
    codes, predicted, n = answers.codes, answers.decision.predicted, len(names)
    shown, labels = np.arange(n), list(names)
    if n > N_MATRIX:
        wrong = ~answers.correct
        errors = np.bincount(np.append(codes[wrong], predicted[wrong]), minlength=n)
        shown = np.sort(np.argsort(-errors, kind="stable")[: N_MATRIX - 1])
        labels = [names[code] for code in shown]
        labels.append(f"{n - len(shown)} other classes")
    places = np.full(n, len(shown))
    places[shown] = np.arange(len(shown))
    pairs = places[codes] * len(labels) + places[predicted]
    counts = np.bincount(pairs, minlength=len(labels) ** 2)
    return {
        "labels": labels,
        "counts": counts.reshape(len(labels), -1).tolist(),
        "n_other": n - len(shown),
    }


def predicates(
    answers: Answers, sem: Any, black_box: dict[str, Any] | None
) -> dict[str, Any]:
    """Compute transparency, diversity and trustworthiness, as in the metrics."""
    n_prototypes = len(answers.decision.owners)
    rate = ghosting_rate(answers.nearest, n_prototypes)
    return {
        "transparency": {
            "ghosting_rate": rate,
            "n_ghosts": round(rate * n_prototypes),
            "n_prototypes": n_prototypes,
            "usage_entropy": usage_entropy_score(answers.nearest, n_prototypes),
        },
        "diversity": {"score": diversity_scorer(sem, [])},
        "trustworthiness": black_box
        and {"accuracy_gap": black_box["gap"], "fidelity": black_box["agreement"]},
    }


def reliability(answers: Answers, temperature: Any) -> dict[str, Any] | None:
    """Compare the probability of predictions with the share that is correct."""
    confidence, proba = answers.confidence, answers.probabilities
    if confidence is None or proba is None:
        return None
    bins = list(reliability_bins(confidence, answers.correct))
    gaps = [abs(one["confidence"] - one["accuracy"]["value"]) for one in bins]
    own = proba[np.arange(len(proba)), answers.codes].astype(np.float64)
    return {
        "bins": bins,
        "calibration_error": float(
            np.average(gaps, weights=[one["accuracy"]["n"] for one in bins])
        ),
        "mean_confidence": float(confidence.mean(dtype=np.float64)),
        "log_loss": float(-np.log(np.maximum(own, np.finfo(float).tiny)).mean()),
        "temperature": None if temperature is None else float(temperature),
    }


def reliability_bins(confidence: NDArray, correct: NDArray) -> list[dict[str, Any]]:
    """Group samples into bins of similar size; equal probabilities share a bin."""
    n_bins = int(np.clip(len(correct) // BIN_SIZE, 1, N_BINS))
    inner = np.quantile(confidence, np.arange(1, n_bins) / n_bins)
    places = np.unique(inner.searchsorted(confidence), return_inverse=True)[1]
    sizes = np.bincount(places)
    means = np.bincount(places, confidence.astype(np.float64)) / sizes
    estimates = shares(np.bincount(places[correct], minlength=len(sizes)), sizes)
    return [
        {"confidence": float(mean), "accuracy": accuracy}
        for mean, accuracy in zip(means, estimates, strict=True)
    ]

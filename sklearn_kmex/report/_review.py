"""What a reviewer asks beside the performance: groups, leaks and drift."""

from typing import Any, NamedTuple

from sklearn_kmex._data.samples import len_of
from sklearn_kmex.metrics._grouping import check_same_index
from sklearn_kmex.report._answers import Answers
from sklearn_kmex.report._drift import describe_drift, drift_warnings, show_new
from sklearn_kmex.report._findings import TrainingSet
from sklearn_kmex.report._groups import (
    Attributes,
    check_groups,
    describe_groups,
    group_warnings,
    worst_group,
)
from sklearn_kmex.report._leaks import describe_leaks, leak_warnings
from sklearn_kmex.report._pictures import SampleSet


def check_pairs(
    samples: tuple[Any, Any], training: tuple[Any, Any], groups: Any, groups_train: Any
) -> None:
    """Refuse labels of other samples or of none, and groups of training samples alone.

    `samples` and `training` are X and y.
    """
    check_same_index(*samples, "y")
    check_same_index(*training, "y_train", "X_train")
    if training[0] is None and training[1] is not None:
        raise ValueError("X_train must be given with y_train; got None.")
    if groups is None and groups_train is not None:
        raise ValueError("groups must be given with groups_train; got None.")


class Review(NamedTuple):
    """What is given for a review beside the samples."""

    groups: Attributes
    new: SampleSet | None  # without labels

    @property
    def n_new(self) -> int:
        """Return the number of new samples."""
        return 0 if self.new is None else len_of(self.new.X)

    def check(self, samples: SampleSet, training: SampleSet | None) -> None:
        """Refuse what does not fit the samples."""
        n_train = None if training is None else len_of(training.X)
        X_train = None if training is None else training.X
        check_groups(self.groups, len_of(samples.X), n_train)
        check_same_index(samples.X, self.groups.samples, "groups")
        check_same_index(X_train, self.groups.training, "groups_train", "X_train")
        if self.new is not None and self.n_new < 2:
            raise ValueError("X_new must hold at least two samples; got one.")


def describe_review(
    review: Review,
    psem: Any,
    samples: SampleSet,
    answers: Answers,
    training: TrainingSet | None,
    names: list[str],
    bar: Any,
) -> dict[str, Any]:
    """Describe groups, leaks and drift as plain data; None where nothing was given."""
    return {
        "groups": describe_groups(review.groups, answers, training, names),
        "leaks": describe_leaks(samples, answers, training),
        "drift": describe_drift(psem, review.new, answers, names, bar),
    }


def add_review(
    content: dict[str, Any],
    found: dict[str, Any],
    psem: Any,
    new: SampleSet | None,
    samples: SampleSet,
    feature_names: Any,
) -> None:
    """Add a review to the content of a report, with its warnings and examples."""
    content.update(found)
    content["first"]["group"] = worst_group(found["groups"])
    show_new(content, psem, new, samples, feature_names)
    sources = {
        "data": leak_warnings(found["leaks"]),
        "groups": group_warnings(found["groups"]),
        "drift": drift_warnings(found["drift"]),
    }
    content["warnings"] += [
        {"section": section, **one._asdict()}
        for section, findings in sources.items()
        for one in findings
    ]

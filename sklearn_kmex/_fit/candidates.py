"""The settings of how prototypes decide that are compared."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sklearn_kmex._model.metric import METRICS, Metric, has_direction

# How prototypes decide: similarity, aggregation and priors, the paper's first. Others
# are not needed: they are as good or worse on all data sets of the guide.
PARAMETERS = ("similarity", "aggregation", "priors")
RULES = (
    ("log", "max", "uniform"),
    ("gaussian", "sum", "uniform"),
    ("gaussian", "sum", "prototype"),
)

# With more features, "auto" does not try metrics with a covariance.
COVARIANCE_FEATURES = 4_096


class Candidate(NamedTuple):
    """A setting of the parameters that are chosen."""

    place: int  # of the count, in the candidates of each class
    metric: str
    similarity: str
    aggregation: str
    priors: Any
    shrinkage: float | str = "auto"  # of the covariance of the metric

    def family(self) -> tuple[str, str, str]:
        """Return what is the same for settings that differ little."""
        return self.metric, self.similarity, as_text(self.priors)

    def departures(self) -> int:
        """Return how many parameters are not as in the paper."""
        plain = Candidate(self.place, "euclidean", *RULES[0], self.shrinkage)
        return self.differences(plain)

    def differences(self, other: "Candidate") -> int:
        """Return in how many parameters two candidates differ."""
        pairs = zip(self, other, strict=True)
        return sum(as_text(ours) != as_text(theirs) for ours, theirs in pairs)


def with_given(rule: Sequence[Any], given: Sequence[Any]) -> tuple[str, str, Any]:
    """Replace the parameters of a rule that are given."""
    pairs = zip(rule, given, strict=True)
    similarity, aggregation, priors = (
        ours if as_text(fixed) == "auto" else fixed for ours, fixed in pairs
    )
    return similarity, aggregation, priors


def distinct(rules: Sequence[tuple[str, str, Any]]) -> list[tuple[str, str, Any]]:
    """Drop rules that are equal to others with one prototype of each class."""
    plainest = {(rule[0], as_text(rule[2])): rule for rule in reversed(rules)}
    return list(plainest.values())[::-1]


def needs_all(rule: tuple[str, str, Any]) -> bool:
    """Return whether more than the nearest prototype of a class may decide."""
    _, aggregation, priors = rule
    return aggregation == "sum" or as_text(priors) == "prototype"


def as_text(value: Any) -> str:
    """Return a parameter as a text, so that arrays can be compared."""
    return value if isinstance(value, str) else repr(value)


def metrics_of(given: str, X: Any) -> list[str]:
    """Return the metrics to compare; "auto" leaves out those that X does not allow."""
    if given != "auto":
        return [given]
    metrics = [Metric(name) for name in METRICS]
    if hasattr(X, "tocsr") or X.shape[1] > COVARIANCE_FEATURES:
        metrics = [metric for metric in metrics if not metric.mapped]
    if not has_direction(X):
        metrics = [metric for metric in metrics if not metric.unit]
    return [metric.name for metric in metrics]

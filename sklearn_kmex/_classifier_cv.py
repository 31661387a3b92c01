"""KMExClassifierCV: the number of prototypes chosen by held-out rows."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.model_selection import BaseCrossValidator, check_cv

from sklearn_kmex._classifier import KMExClassifier
from sklearn_kmex._compat import Interval, StrOptions
from sklearn_kmex._data.rows import Training
from sklearn_kmex._fit.classes import counts_by_share
from sklearn_kmex._fit.counts import Choice, search_counts


class KMExClassifierCV(KMExClassifier):
    """KMExClassifier with the number of prototypes chosen by cross-validation.

    The whole curve over the numbers costs little more than its largest fit: in
    each fold, the prototypes of a class are merged one by one from the largest
    number down, and every number starts from the one above it. The fewest
    prototypes whose held-out accuracy is within a tolerance of the best are taken.

    Read more in the :ref:`User Guide <counts>`.

    Parameters
    ----------
    n_prototypes : int, or sequence of int or of float in (0, 1), default=10
        Numbers to choose from; an int is all from 1 to it. Floats are shares of the
        distinct rows of each class, rounded up.

    cv : int, cross-validation generator or iterable, default=None
        Folds, as in :func:`~sklearn.model_selection.check_cv`. None is 5 stratified
        ones.

    scoring : {"accuracy", "balanced_accuracy"}, default="accuracy"
        What held-out rows are judged by; "balanced_accuracy" gives each class the
        same weight, however rare.

    tolerance : float or "standard_error", default="standard_error"
        What may be lost of the best mean accuracy for fewer prototypes.
        "standard_error" is that of the best mean over the folds, the
        one-standard-error rule [1]_; a float is a loss of accuracy, 0 for none.

    per_class : bool, default=False
        Whether classes may get different numbers. What accuracy there is to lose is
        then shared by the classes in turn.

    similarity : {"log", "gaussian"}, default="log"
        Similarity of a sample to a prototype, as in `KMExClassifier`.

    epsilon : float in (0, 1), default=1e-4
        Bounds the log similarity at distance 0.

    aggregation : {"max", "sum"}, default="max"
        Score of a class from the similarities to its prototypes.

    priors : {"uniform", "empirical"} or array-like of shape (n_classes,), \
            default="uniform"
        How frequent the classes are taken to be, in the search, too.

    temperature : float or "auto", default="auto"
        Class scores are divided by it before the softmax.

    prototype : {"centroid", "medoid"}, default="centroid"
        The vector that decides.

    clusterer : estimator, default=None
        As in `KMExClassifier`. One other than `KMeans` and `MiniBatchKMeans` is run
        anew for each number.

    n_init : int, default=10
        Restarts of the default clusterer, for the largest number.

    max_iter : int, default=100
        Largest number of iterations of a restart of the default clusterer.

    tol : float, default=1e-4
        Relative movement of the centers at which the default clusterer stops.

    max_samples : int or float in (0, 1], default=None
        Number or share of the distinct rows of each class that clustering sees.

    merge_threshold : float, default=None
        As in `KMExClassifier`; the search does not merge, the fit after it does.

    random_state : int, RandomState instance or None, default=None
        Draws one seed for each class, for the search and for the fit after it.

    n_jobs : int, default=None
        Number of classes, and of folds of them, clustered at the same time.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.

    prototypes_ : ndarray of shape (n_prototypes_total, n_features)
        Prototypes, grouped by class in the order of `classes_`.

    prototype_classes_ : ndarray of shape (n_prototypes_total,)
        Class label of each prototype.

    prototype_counts_ : ndarray of shape (n_prototypes_total,), dtype=float64
        Weight of the training rows of its class to which each prototype is the
        nearest of that class; more than 0.

    prototype_indices_ : ndarray of shape (n_prototypes_total,), dtype=intp
        Row number of the training row of the same class nearest to each prototype.

    n_prototypes_ : ndarray of shape (n_classes,), dtype=intp
        Number of prototypes of each class.

    cv_results_ : dict of str to ndarray
        Curve over the same number, or share, in all classes: "n_prototypes",
        "split0_test_score" and so on, "mean_test_score" and "std_test_score", each of
        shape (n_numbers,).

    cv_threshold_ : float
        Mean held-out accuracy that the numbers had to reach.

    class_prior_ : ndarray of shape (n_classes,), dtype=float64
        Prior probability of each class.

    inertia_ : ndarray of shape (n_classes,), dtype=float64
        Weighted sum of squared distances of the training rows of each class to
        the nearest prototype of that class.

    n_iter_ : int
        Iterations of the clusterer, the most that a class took.

    n_samples_seen_ : int
        Number of training rows.

    temperature_ : float
        Temperature of the probabilities.

    edit_log_ : list of dict
        Edits by the functions of `sklearn_kmex.edit` since `fit`, oldest first.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen during fit, where they are all strings.

    See Also
    --------
    KMExClassifier : The classifier, with a given number of prototypes.
    sklearn.model_selection.GridSearchCV : Chooses any parameter, at full cost.

    Notes
    -----
    A class of its own, rather than a search around the classifier, for the reason
    that scikit-learn has `LogisticRegressionCV`: along the curve fits share their
    work, and the result is used wherever a `KMExClassifier` is.
    `KMExClassifier(n_prototypes="auto")` does the same with default settings.
    There is no `partial_fit`.

    References
    ----------
    .. [1] L. Breiman, J. Friedman, R. Olshen and C. Stone, "Classification and
       Regression Trees", 1984.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifierCV
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifierCV(5, random_state=0).fit(X, y)
    >>> psem.cv_results_["mean_test_score"].shape
    (5,)
    >>> len(psem.prototypes_) == int(psem.n_prototypes_.sum())
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **KMExClassifier._parameter_constraints,
        "n_prototypes": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "cv": ["cv_object"],
        "scoring": [StrOptions({"accuracy", "balanced_accuracy"})],
        "tolerance": [
            StrOptions({"standard_error"}),
            Interval(Real, 0, None, closed="left"),
        ],
        "per_class": ["boolean"],
    }

    def __init__(
        self,
        n_prototypes: int | Sequence[float] = 10,
        *,
        cv: int | BaseCrossValidator | None = None,
        scoring: Literal["accuracy", "balanced_accuracy"] = "accuracy",
        tolerance: float | Literal["standard_error"] = "standard_error",
        per_class: bool = False,
        similarity: Literal["log", "gaussian"] = "log",
        epsilon: float = 1e-4,
        aggregation: Literal["max", "sum"] = "max",
        priors: Literal["uniform", "empirical"] | ArrayLike = "uniform",
        temperature: float | Literal["auto"] = "auto",
        prototype: Literal["centroid", "medoid"] = "centroid",
        clusterer: BaseEstimator | None = None,
        n_init: int = 10,
        max_iter: int = 100,
        tol: float = 1e-4,
        max_samples: float | None = None,
        merge_threshold: float | None = None,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
    ) -> None:
        super().__init__(
            n_prototypes,  # type: ignore[arg-type]
            similarity=similarity,
            epsilon=epsilon,
            aggregation=aggregation,
            priors=priors,
            temperature=temperature,
            prototype=prototype,
            clusterer=clusterer,
            n_init=n_init,
            max_iter=max_iter,
            tol=tol,
            max_samples=max_samples,
            merge_threshold=merge_threshold,
            random_state=random_state,
            n_jobs=n_jobs,
        )
        self.cv = cv
        self.scoring = scoring
        self.tolerance = tolerance
        self.per_class = per_class

    def _searches_counts(self) -> bool:
        return True

    def _chooses_counts(self) -> bool:
        return True

    def _choose_counts(self, training: Training) -> list[list[int]]:
        numbers = numbers_to_try(self.n_prototypes)
        counts = np.tile(numbers, (len(training.classes), 1))
        if counts.dtype.kind == "f":
            counts = counts_by_share(training, numbers)
        rows = np.flatnonzero(training.weights)
        y = training.y[rows]
        folds = check_cv(self.cv, y, classifier=True).split(rows, y)
        chosen, choice = search_counts(
            self,
            training,
            [(rows[train], rows[test]) for train, test in folds],
            counts,
            tolerance=self.tolerance,
            per_class=self.per_class,
            balanced=self.scoring == "balanced_accuracy",
        )
        self.cv_results_ = results(numbers, choice)
        self.cv_threshold_ = float(choice.wanted)
        return chosen


def numbers_to_try(n_prototypes: Any) -> NDArray:
    """List the numbers or shares, ascending."""
    if isinstance(n_prototypes, int | np.integer):
        return np.arange(1, int(n_prototypes) + 1)
    numbers = np.asarray(n_prototypes)
    least, most = {"i": (1, np.inf), "f": (0, 1)}.get(numbers.dtype.kind, (1, 0))
    fits = (least <= numbers) & (numbers < most) & (numbers > 0)
    if numbers.ndim != 1 or not len(numbers) or not fits.all():
        raise ValueError(
            "n_prototypes must be an int, or a sequence of ints of at least 1 or of "
            f"shares between 0 and 1; got {n_prototypes!r}."
        )
    return np.unique(numbers)


def results(numbers: NDArray, choice: Choice) -> dict[str, NDArray]:
    """Lay out the curve as scikit-learn's searches do."""
    splits = enumerate(choice.curve.T)
    return {
        "n_prototypes": numbers,
        **{f"split{number}_test_score": scores for number, scores in splits},
        "mean_test_score": choice.curve.mean(axis=1),
        "std_test_score": choice.curve.std(axis=1),
    }

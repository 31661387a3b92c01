"""KMExClassifierCV: the number of prototypes chosen by cross-validation."""

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

    All candidates together cost little more than the largest one: in each fold, the
    fit of a candidate starts from the merged prototypes of the next larger candidate.
    The smallest candidate whose held-out accuracy is within a tolerance of the best is
    chosen.

    Read more in the :ref:`User Guide <counts>`.

    Parameters
    ----------
    candidates : int, or sequence of int or of float in (0, 1), default=10
        Numbers of prototypes of each class to choose from; an int stands for 1 to
        that number. Floats are shares of the distinct rows of each class, rounded up.

    cv : int, cross-validation generator or iterable, default=None
        Folds, as in :func:`~sklearn.model_selection.check_cv`. None is 5 stratified
        folds.

    scoring : {"accuracy", "balanced_accuracy"}, default="accuracy"
        Score of the held-out rows. "balanced_accuracy" gives each class the same
        weight.

    tolerance : float or "standard_error", default="standard_error"
        Largest difference from the best mean held-out accuracy that is accepted for
        fewer prototypes. "standard_error" is the standard error of the best mean over
        the folds, the one-standard-error rule [1]_.

    per_class : bool, default=False
        Whether classes may have different numbers of prototypes. The tolerance is then
        divided among the classes.

    similarity : {"log", "gaussian"}, default="log"
        Similarity of a sample to a prototype, as in `KMExClassifier`.

    epsilon : float in (0, 1), default=1e-4
        Constant of the log similarity, as in `KMExClassifier`.

    aggregation : {"max", "sum"}, default="max"
        Score of a class from the similarities to its prototypes.

    priors : {"uniform", "empirical"} or array-like of shape (n_classes,), \
            default="uniform"
        Prior probabilities of the classes, as in `KMExClassifier`; the search uses
        them, too.

    temperature : float or "auto", default="auto"
        Class scores are divided by it before the softmax.

    prototype : {"centroid", "medoid"}, default="centroid"
        Vector of a prototype, as in `KMExClassifier`.

    clusterer : estimator, default=None
        As in `KMExClassifier`. A clusterer other than `KMeans` and `MiniBatchKMeans`
        runs anew for each candidate.

    n_init : int, default=10
        Number of restarts of the default clusterer, for the largest candidate.

    max_iter : int, default=100
        Largest number of iterations of a restart of the default clusterer.

    tol : float, default=1e-4
        Relative movement of the centers at which the default clusterer stops.

    max_samples : int or float in (0, 1], default=None
        Number or share of the distinct rows of each class that are clustered.

    merge_threshold : float, default=None
        As in `KMExClassifier`. It applies to the final fit, not to the search.

    random_state : int, RandomState instance or None, default=None
        Draws one seed for each class, for the search and for the final fit.

    n_jobs : int, default=None
        Number of classes, or classes of folds, clustered at the same time.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.

    prototypes_ : ndarray of shape (n_prototypes_total, n_features)
        Prototypes, grouped by class in the order of `classes_`.

    prototype_classes_ : ndarray of shape (n_prototypes_total,)
        Class label of each prototype.

    prototype_counts_ : ndarray of shape (n_prototypes_total,), dtype=float64
        Total weight of the training rows of its class that are nearer to the prototype
        than to the other prototypes of the class; more than 0.

    prototype_indices_ : ndarray of shape (n_prototypes_total,), dtype=intp
        Row number of the training row of the same class nearest to each prototype.

    n_prototypes_ : ndarray of shape (n_classes,), dtype=intp
        Number of prototypes of each class.

    cv_results_ : dict of str to ndarray
        Scores of each candidate, used for all classes: "n_prototypes",
        "split0_test_score" and so on, "mean_test_score" and "std_test_score", each of
        shape (n_candidates,).

    cv_threshold_ : float
        Mean held-out accuracy that the chosen numbers had to reach.

    class_prior_ : ndarray of shape (n_classes,), dtype=float64
        Prior probability of each class.

    inertia_ : ndarray of shape (n_classes,), dtype=float64
        Weighted sum of squared distances of the training rows of each class to
        the nearest prototype of that class.

    n_iter_ : int
        Largest number of iterations of the clusterer over the classes.

    n_samples_seen_ : int
        Number of training rows.

    temperature_ : float
        Temperature of the probabilities.

    edit_log_ : list of dict
        Edits by the functions of `sklearn_kmex.edit` since `fit`, oldest first.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen during fit, if they are all strings.

    See Also
    --------
    KMExClassifier : The classifier, with a given number of prototypes.
    sklearn.model_selection.GridSearchCV : Chooses any parameter, at full cost.

    Notes
    -----
    It is a class of its own, as `LogisticRegressionCV` in scikit-learn, because the
    fits of the candidates share their work. The result can be used wherever a
    `KMExClassifier` can. `KMExClassifier(n_prototypes="auto")` does the same with
    default settings. There is no `partial_fit`.

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
        "candidates": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "cv": ["cv_object"],
        "scoring": [StrOptions({"accuracy", "balanced_accuracy"})],
        "tolerance": [
            StrOptions({"standard_error"}),
            Interval(Real, 0, None, closed="left"),
        ],
        "per_class": ["boolean"],
    }
    _parameter_constraints.pop("n_prototypes")

    def __init__(
        self,
        candidates: int | Sequence[float] = 10,
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
        self.candidates = candidates
        self.cv = cv
        self.scoring = scoring
        self.tolerance = tolerance
        self.per_class = per_class
        self.similarity = similarity
        self.epsilon = epsilon
        self.aggregation = aggregation
        self.priors = priors
        self.temperature = temperature
        self.prototype = prototype
        self.clusterer = clusterer
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.max_samples = max_samples
        self.merge_threshold = merge_threshold
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _searches_counts(self) -> bool:
        return True

    def _chooses_counts(self) -> bool:
        return True

    def _choose_counts(self, training: Training) -> list[list[int]]:
        numbers = _numbers_to_try(self.candidates)
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
        self.cv_results_ = _search_results(numbers, choice)
        self.cv_threshold_ = float(choice.wanted)
        return chosen


def _numbers_to_try(candidates: Any) -> NDArray:
    """Return the candidates as an array of numbers or shares, ascending."""
    if isinstance(candidates, int | np.integer):
        return np.arange(1, int(candidates) + 1)
    try:
        numbers = np.asarray(candidates)
    except ValueError:  # lists of different lengths
        numbers = np.empty(0)
    most = {"i": np.inf, "f": 1}.get(numbers.dtype.kind)
    fits = most is not None and numbers.ndim == 1 and len(numbers) > 0
    if not fits or not ((numbers > 0) & (numbers < most)).all():
        raise ValueError(
            "candidates must be an int, or a sequence of ints of at least 1 or of "
            f"shares between 0 and 1; got {candidates!r}."
        )
    return np.unique(numbers)


def _search_results(numbers: NDArray, choice: Choice) -> dict[str, NDArray]:
    """Return the scores in the form of `cv_results_` of scikit-learn's searches."""
    splits = enumerate(choice.curve.T)
    return {
        "n_prototypes": numbers,
        **{f"split{number}_test_score": scores for number, scores in splits},
        "mean_test_score": choice.curve.mean(axis=1),
        "std_test_score": choice.curve.std(axis=1),
    }

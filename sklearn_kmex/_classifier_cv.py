"""KMExClassifierCV: prototypes and how they decide, chosen by cross-validation."""

from collections.abc import Sequence
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils.metadata_routing import MetadataRouter

from sklearn_kmex._base import new_state
from sklearn_kmex._classifier import KMExClassifier
from sklearn_kmex._compat import Interval, StrOptions, _fit_context
from sklearn_kmex._data.rows import Training
from sklearn_kmex._fit.choice import choose
from sklearn_kmex._fit.classes import counts_by_share
from sklearn_kmex._fit.folds import split_rows
from sklearn_kmex._fit.metadata import routed_params, router_of
from sklearn_kmex._fit.search import open_search
from sklearn_kmex._fit.steps import AUTO_COUNTS
from sklearn_kmex._fit.validation import check_training


class KMExClassifierCV(KMExClassifier):
    """KMExClassifier whose parameters are chosen together by cross-validation.

    The metric, the number of prototypes, the similarity, the aggregation and the
    priors are compared by the score of held-out rows. Of the candidates that are as
    good as the best within a tolerance, the one closest to the setting of the paper is
    chosen, then the one with the fewest prototypes. All candidates share the clusters
    and the distances of the folds. A parameter other than "auto" stays as given.

    Read more in the :ref:`User Guide <counts>`.

    Parameters
    ----------
    candidates : int, or sequence of int or of float in (0, 1), \
            default=(1, 2, 5, 10, 20)
        Numbers of prototypes of each class to choose from; an int stands for 1 to
        that number, `[5]` for five of each class. Floats are shares of the distinct
        rows of each class, rounded up.

    cv : int, cross-validation generator or iterable, default=None
        Folds, as in :func:`~sklearn.model_selection.check_cv`. None is 5 stratified
        folds. Row numbers are those of X; `fit` takes the `groups` of a splitter of
        groups.

    scoring : {"neg_log_loss", "accuracy", "balanced_accuracy"}, \
            default="neg_log_loss"
        Score of the held-out rows. "neg_log_loss" is the mean logarithm of the
        probability of the true class, a proper score. "balanced_accuracy" gives each
        class the same weight.

    tolerance : float or "standard_error", default="standard_error"
        Largest difference from the best mean score that is accepted. "standard_error"
        is the standard error of the mean difference over the held-out rows, the
        one-standard-error rule [1]_ for paired scores; at least 2 % of the log-loss.
        A single fold is enough; with one held-out row in all, it is 0.

    per_class : bool, default=False
        Whether classes may have different numbers of prototypes. The tolerance is then
        divided among the classes.

    metric : {"auto", "euclidean", "cosine", "mahalanobis", "cosine_mahalanobis"}, \
            default="auto"
        Distance that decides, as in `KMExClassifier`. "auto" leaves out cosine metrics
        if a row is zero, and those with a covariance for sparse X or more than 4,096
        features.

    shrinkage : float in [0, 1] or "auto", default="auto"
        Shrinkage of the covariance of "mahalanobis". "auto" is that of Ledoit and
        Wolf, or 0.6 if there are few rows and it is clearly better on those held out,
        as in `KMExClassifier`.

    similarity : {"auto", "log", "gaussian"}, default="auto"
        Similarity of a sample to a prototype, as in `KMExClassifier`.

    epsilon : float in [1e-30, 1), default=1e-4
        Constant of the log similarity, as in `KMExClassifier`.

    aggregation : {"auto", "max", "sum"}, default="auto"
        Score of a class from the similarities to its prototypes.

    priors : {"auto", "uniform", "class", "prototype"} or array-like of shape \
            (n_classes,), default="auto"
        Weights of the prototypes in the class scores, as in `KMExClassifier`.

    temperature : float or "auto", default="auto"
        Class scores are divided by it before the softmax.

    teacher : estimator, default=None
        Fitted model whose probabilities replace the labels, as in `KMExClassifier`.

    prototype : {"centroid", "medoid"}, default="centroid"
        Vector of a prototype, as in `KMExClassifier`.

    clusterer : estimator, default=None
        As in `KMExClassifier`. A clusterer other than `KMeans` and `MiniBatchKMeans`
        runs anew for each candidate.

    n_init : int, default=10
        Number of restarts of the default clusterer in the final fit; in the search, it
        runs once.

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
        Row number of the member nearest to each prototype, a training row of its class.

    n_prototypes_ : ndarray of shape (n_classes,), dtype=intp
        Number of prototypes of each class.

    cv_results_ : dict of str to ndarray or list
        One item for each candidate that was tried: "params", "param_n_prototypes" and
        so on, "split0_test_score" and so on, "mean_test_score", "std_test_score",
        "rank_test_score", "standard_error", that of the mean difference from the best,
        and "accepted", whether the mean is within the tolerance of the best.

    best_index_ : int
        Index of the chosen candidate.

    best_params_ : dict of str to object
        Parameters of the chosen candidate.

    metric_ : str
        The chosen metric.

    shrinkage_ : float or None
        Share by which the correlations of the covariance are shrunk. None for metrics
        without a covariance.

    similarity_ : str
        The chosen similarity.

    aggregation_ : str
        The chosen aggregation.

    priors_ : str or array-like of shape (n_classes,)
        The chosen priors, or those given.

    metric_map_ : ndarray of shape (n_features, n_features) or None
        Map of "mahalanobis", as in `KMExClassifier`.

    prototype_weights_ : ndarray of shape (n_prototypes_total,), dtype=float64
        Weight of each prototype in the class scores; only ratios matter.

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
    `KMExClassifier` can, which does the same with default settings for parameters that
    are "auto". There is no `partial_fit`.

    References
    ----------
    .. [1] L. Breiman, J. Friedman, R. Olshen and C. Stone, "Classification and
       Regression Trees", 1984.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifierCV
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifierCV([1, 2, 5], random_state=0).fit(X, y)
    >>> psem.best_params_["metric"]
    'mahalanobis'
    >>> len(psem.prototypes_) == int(psem.n_prototypes_.sum())
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **KMExClassifier._parameter_constraints,
        "candidates": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "cv": ["cv_object"],
        "scoring": [StrOptions({"neg_log_loss", "accuracy", "balanced_accuracy"})],
        "tolerance": [
            StrOptions({"standard_error"}),
            Interval(Real, 0, None, closed="left"),
        ],
        "per_class": ["boolean"],
    }
    _parameter_constraints.pop("n_prototypes")

    def __init__(
        self,
        candidates: int | Sequence[float] = AUTO_COUNTS,
        *,
        cv: int | BaseCrossValidator | None = None,
        scoring: str = "neg_log_loss",
        tolerance: float | Literal["standard_error"] = "standard_error",
        per_class: bool = False,
        metric: str = "auto",
        shrinkage: float | Literal["auto"] = "auto",
        similarity: Literal["log", "gaussian", "auto"] = "auto",
        epsilon: float = 1e-4,
        aggregation: Literal["max", "sum", "auto"] = "auto",
        priors: str | ArrayLike = "auto",
        temperature: float | Literal["auto"] = "auto",
        teacher: Any = None,
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
        self.metric = metric
        self.shrinkage = shrinkage
        self.similarity = similarity
        self.epsilon = epsilon
        self.aggregation = aggregation
        self.priors = priors
        self.temperature = temperature
        self.teacher = teacher
        self.prototype = prototype
        self.clusterer = clusterer
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.max_samples = max_samples
        self.merge_threshold = merge_threshold
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _searches(self) -> bool:
        return True

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        **params: Any,
    ) -> Self:
        """Choose among the candidates, and find the prototypes of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training rows, or their embeddings. float32 is kept.

        y : array-like of shape (n_samples,)
            Class labels, of at least two classes.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, at least 0. None is 1 for all rows. Rows of weight 0
            neither train nor are held out.

        **params : dict of str to array-like of shape (n_samples,)
            `groups`, the group of each row, for a `cv` such as
            :class:`~sklearn.model_selection.GroupKFold`; with metadata routing,
            whatever the splitter requests.

        Returns
        -------
        KMExClassifierCV
            The fitted classifier.

        Raises
        ------
        ValueError
            If the input or a parameter is invalid; the estimator is then unchanged.

        TypeError
            If there are `params` that `cv` does not take.
        """
        with new_state(self) as new:
            metadata, others = routed_params(self, params)
            if others:
                raise TypeError(
                    "fit takes sample_weight, and groups for the splitter; got also "
                    f"{sorted(others)}. Leave them out."
                )
            training = check_training(new, X, y, sample_weight)
            folds = split_rows(self.cv, X, training.y, training.weights, metadata)
            new._fit(training, partial(new._choose_by, folds))
        return self

    def _choose_by(
        self, folds: Sequence[tuple[NDArray, NDArray]], training: Training
    ) -> list[int]:
        """Choose the numbers of prototypes, and how they decide, by folds."""
        self._set_rule(training.X)
        numbers = _numbers_to_try(self.candidates)
        counts = np.tile(numbers, (len(training.classes), 1))
        if counts.dtype.kind == "f":
            counts = counts_by_share(training, numbers)
        how = self.scoring, self.tolerance, self.per_class
        search = open_search(self, training, folds, counts, *how)
        chosen = choose(search, numbers.tolist())
        return self._set_choice(chosen)

    def get_metadata_routing(self) -> MetadataRouter:
        """Return what `fit` takes: weights of rows, and what the splitter requests.

        Returns
        -------
        MetadataRouter
            Metadata of the classifier itself and of `cv`.
        """
        return router_of(self)


def _numbers_to_try(candidates: Any) -> NDArray:
    """Return the candidates as an array of numbers or shares, ascending."""
    if isinstance(candidates, int | np.integer) and candidates is not True:
        return np.arange(1, int(candidates) + 1)
    try:
        numbers = np.asarray(candidates)
    except ValueError:  # lists of different lengths
        numbers = np.empty(0)
    most = {"i": np.inf, "f": 1}.get(numbers.dtype.kind)
    fits = most is not None and numbers.ndim == 1 and len(numbers) > 0
    fits = fits and not any(isinstance(one, bool) for one in candidates)
    if not fits or not ((numbers > 0) & (numbers < most)).all():
        raise ValueError(
            "candidates must be an int, or a sequence of ints of at least 1 or of "
            f"shares between 0 and 1; got {candidates!r}."
        )
    return np.unique(numbers)

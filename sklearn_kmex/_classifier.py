"""KMExClassifier: k-means prototypes of each class; the most similar one decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from sklearn_kmex._base import new_state
from sklearn_kmex._compat import (
    HasMethods,
    Interval,
    RealNotInt,
    StrOptions,
    _fit_context,
    few_blas_threads,
)
from sklearn_kmex._data.arrays import to_numpy
from sklearn_kmex._data.rows import Training, open_task
from sklearn_kmex._fit.streaming import PrototypeStream
from sklearn_kmex._fit.teacher import check_teacher
from sklearn_kmex._fit.validation import check_scale, check_training, warn_of_fewer
from sklearn_kmex._model.metric import METRICS, preparation
from sklearn_kmex._model.rule import rule_of


class KMExClassifier(PrototypeStream):
    """Classifier that decides by the most similar of its k-means prototypes.

    The prototypes of a class are found by k-means on its training rows. A sample is
    assigned to the class of its most similar prototype, so that each decision can be
    explained by a training example. On the embeddings of a trained network this is
    KMEx [1]_, which turns the network into a prototypical self-explainable model
    without re-training (see `make_kmex`). It also works on the columns of a table.

    Read more in the :ref:`User Guide <classifier>`.

    Parameters
    ----------
    n_prototypes : int, float in (0, 1), dict of label to int, or "auto", default=5
        Number of prototypes of each class. A class with fewer distinct rows gets one
        prototype for each of them, and a `KMExWarning` names it. A float is a share of
        the distinct rows of each class, rounded up. "auto" chooses among 1, 2, 5,
        10 and 20, see Notes.

    metric : {"euclidean", "cosine", "mahalanobis", "cosine_mahalanobis", "auto"}, \
            default="euclidean"
        Distance of a sample to a prototype in every decision: "euclidean"; "cosine",
        the Euclidean distance of rows of length one, which are also clustered;
        "mahalanobis", the distance in the pooled within-class covariance of the
        training rows, while prototypes are found in X as it is; or
        "cosine_mahalanobis", the same for rows of length one. "auto" chooses, see
        Notes.

    shrinkage : float in [0, 1] or "auto", default="auto"
        Share by which the correlations of the covariance of "mahalanobis" are shrunk
        towards 0. "auto" is that of Ledoit and Wolf [2]_. Where other parameters are
        chosen, 0.6 is compared with it if there are few rows, see Notes.

    similarity : {"log", "gaussian", "auto"}, default="log"
        Similarity of a sample at distance d from a prototype: "log" is
        `log((d + 1) / (d + epsilon))`, between 0 and `-log(epsilon)`; "gaussian"
        is `-d**2 / 2`, at most 0. Larger is more similar.

    epsilon : float in [1e-30, 1), default=1e-4
        Constant of the log similarity, which is at most `-log(epsilon)`. It is a
        distance in the unit of X: below it, similarities hardly grow.

    aggregation : {"max", "sum", "auto"}, default="max"
        Score of a class from the similarities s to its prototypes, at temperature T:
        "max" is the largest `s + T * log(weight)`, the nearest-prototype rule of the
        paper; "sum" is `T * log(sum(weight * exp(s / T)))`, a mixture.

    priors : {"uniform", "class", "prototype", "auto"} or array-like of shape \
            (n_classes,), default="uniform"
        Weights of the prototypes in the class scores: "uniform" weighs all equally;
        "class" weighs each by the share of its class in the training weight;
        "prototype" by its own share, that of its members. An array has the prior
        probability of each class, in the order of `classes_`.

    temperature : float or "auto", default="auto"
        Class scores are divided by it before the softmax that gives probabilities.
        With uniform priors and `aggregation="max"` it changes no decision. "auto"
        fits it by cross-validation: the training rows of each of three folds are
        scored by prototypes of the other two, without priors given as an array.
        Smoothed targets keep it positive if the classes are separable.

    teacher : estimator, default=None
        Fitted model with `predict_proba` for rows of X, whose probabilities replace
        the labels where "auto" chooses, and where the temperature is fitted. It makes
        probabilities honest on rows that a network or trees were trained on.
        `make_kmex` passes the last layer of the model. None uses the labels.

    prototype : {"centroid", "medoid"}, default="centroid"
        Vector of a prototype: the k-means center, or the training row of the class
        that is nearest to it.

    clusterer : estimator, default=None
        Clusterer with a parameter `n_clusters` and a fitted attribute
        `cluster_centers_`, cloned for each class. None is the
        :ref:`built-in k-means <solver>` with `n_init`, `max_iter` and `tol`, and
        :class:`~sklearn.cluster.KMeans` for sparse rows.

    n_init : int, default=10
        Number of restarts of the default clusterer, of which the one of least inertia
        is kept. Most of them stop early.

    max_iter : int, default=100
        Maximum number of iterations of the default clusterer on all rows.

    tol : float, default=1e-4
        The default clusterer stops at this squared shift of the centers, relative to
        the mean variance of the features.

    max_samples : int or float in (0, 1], default=None
        Number or share of the distinct rows of each class that are clustered, at least
        `n_prototypes`. Counts, inertia and nearest rows are those of all rows. None
        is all rows.

    merge_threshold : float, default=None
        Prototypes of a class are merged if their distance is at most this many times
        the median distance of a prototype to the nearest prototype of another class.
        :func:`~sklearn_kmex.metrics.audit` reports near-duplicates below 0.1. None
        merges none.

    random_state : int, RandomState instance or None, default=None
        Draws one seed for each class, in the order of `classes_`. None gives different
        seeds at each fit.

    n_jobs : int, default=None
        Number of classes clustered at the same time. None is 1 unless in a
        :obj:`joblib.parallel_backend` context, -1 is all processors. The result does
        not depend on it. Not used for dask arrays.

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

    class_prior_ : ndarray of shape (n_classes,), dtype=float64
        Prior probability of each class.

    prototype_weights_ : ndarray of shape (n_prototypes_total,), dtype=float64
        Weight of each prototype in the class scores; only ratios matter.

    metric_ : str
        The parameter `metric`, with "auto" resolved.

    shrinkage_ : float or None
        Share by which the correlations of the covariance are shrunk. None for metrics
        without a covariance.

    similarity_ : str
        The parameter `similarity`, with "auto" resolved.

    aggregation_ : str
        The parameter `aggregation`, with "auto" resolved.

    priors_ : str or array-like of shape (n_classes,)
        The parameter `priors`, with "auto" resolved.

    cv_results_ : dict of str to ndarray or list
        What was compared, as in `KMExClassifierCV`, if a parameter is "auto"; so are
        `best_index_` and `best_params_`.

    best_index_ : int
        Index of the chosen candidate in `cv_results_`.

    best_params_ : dict of str to object
        Parameters of the chosen candidate.

    metric_map_ : ndarray of shape (n_features, n_features) or None
        For "mahalanobis", the distance of two rows is the Euclidean distance of
        `X @ metric_map_`, float64. None for other metrics.

    inertia_ : ndarray of shape (n_classes,), dtype=float64
        Weighted sum of squared distances of the training rows of each class to
        the nearest prototype of that class.

    n_iter_ : int
        Largest number of iterations of the clusterer over the classes.

    n_samples_seen_ : int
        Number of training rows, over all calls to `partial_fit` since `fit`.

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
    KMExClassifierCV : The number of prototypes chosen by cross-validation.
    make_kmex : The frozen encoder of a trained model, followed by this classifier.
    sklearn.neighbors.NearestCentroid : One centroid for each class.
    sklearn.neighbors.KNeighborsClassifier : All training rows vote.

    Notes
    -----
    Equal rows of a class are merged, and their weights summed, so that a row of weight
    k is equivalent to k copies of it. Probabilities are not part of the paper: at
    temperature 1, the log similarity would give almost uniform ones.

    With "auto" for one or more of `n_prototypes`, `metric`, `similarity`, `aggregation`
    and `priors`, these are chosen together by held-out log-loss, as
    :class:`KMExClassifierCV` does with default settings. If a fold then has fewer
    than four training rows for each feature and `shrinkage` is "auto", a metric with a
    covariance uses a shrinkage of 0.6 if this is better than that of Ledoit and Wolf by
    two standard errors. `shrinkage_` is the one in use.

    The cost of `fit` is that of the clusterer on each class; the cost of `predict` is
    O(n_samples * n_prototypes_total * n_features), in blocks of rows.

    With scikit-learn's `array_api_dispatch`, tensors stay on their device, and fitted
    attributes and results are tensors on that device. Row-wise methods return a lazy
    dask array if X is a dask array. Callbacks of scikit-learn 1.9 are called for each
    class (see :ref:`scale`).

    References
    ----------
    .. [1] S. Gautam, A. Boubekki, M. Höhne and M. Kampffmeyer, "Prototypical
       Self-Explainable Models Without Re-training", 2024, arXiv:2312.07822.
    .. [2] O. Ledoit and M. Wolf, "A well-conditioned estimator for large-dimensional
       covariance matrices", Journal of Multivariate Analysis 88(2), 2004.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(n_prototypes=2, random_state=0).fit(X, y)
    >>> psem.predict(X[:2])
    array([0, 0])
    >>> similarity, prototype = psem.nearest_prototypes(X[:1])
    >>> int(psem.prototype_indices_[prototype[0, 0]])  # the most similar training row
    48
    """

    _parameter_constraints: ClassVar[dict] = {
        "n_prototypes": [
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="neither"),
            Mapping,
            StrOptions({"auto"}),
        ],
        "metric": [StrOptions({*METRICS, "auto"})],
        "shrinkage": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="both")],
        "similarity": [StrOptions({"log", "gaussian", "auto"})],
        "epsilon": [Interval(Real, 1e-30, 1, closed="left")],
        "aggregation": [StrOptions({"max", "sum", "auto"})],
        "priors": [
            StrOptions({"uniform", "class", "prototype", "auto"}),
            "array-like",
        ],
        "temperature": [
            StrOptions({"auto"}),
            Interval(Real, 0, None, closed="neither"),
        ],
        "teacher": [HasMethods(["predict_proba"]), None],
        "prototype": [StrOptions({"centroid", "medoid"})],
        "clusterer": [HasMethods(["fit", "get_params", "set_params"]), None],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_samples": [
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="right"),
            None,
        ],
        "merge_threshold": [Interval(Real, 0, None, closed="left"), None],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        n_prototypes: float | Mapping[Any, int] | Literal["auto"] = 5,
        *,
        metric: str = "euclidean",
        shrinkage: float | Literal["auto"] = "auto",
        similarity: Literal["log", "gaussian", "auto"] = "log",
        epsilon: float = 1e-4,
        aggregation: Literal["max", "sum", "auto"] = "max",
        priors: str | ArrayLike = "uniform",
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
        self.n_prototypes = n_prototypes
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

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Find the prototypes of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            Training rows, or their embeddings. float32 is kept. A memory-mapped array
            is read class by class; for a dask array, each class is a task. Rows of
            weight 0 are not read from either.

        y : array-like of shape (n_samples,)
            Class labels, of at least two classes.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, at least 0: weight k is equivalent to k copies. None is
            1 for all rows.

        Returns
        -------
        KMExClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If the input or a parameter is invalid; the estimator is then unchanged.
        """
        with new_state(self) as new:
            training = check_training(new, X, y, sample_weight)
            counts = new._fit(training, new._choose)
            if self.merge_threshold is None and not self._searches():
                warn_of_fewer(counts, to_numpy(new.n_prototypes_), training.classes)
        return self

    def _fit(
        self, training: Training, choose: Callable[[Training], list[int]]
    ) -> list[int]:
        """Run the steps of a fit; return the numbers of prototypes asked for."""
        self._start_anew()
        check_teacher(self.teacher, training)
        with (
            few_blas_threads(training.X),
            open_task(self, training, self._searches()) as training,
        ):
            counts = choose(training)  # of prototypes, for each class
            training = training._replace(prepare=preparation(self.metric_))
            plans = self._plans([[n] for n in counts])  # how each class is clustered
            prototypes, folds = self._fit_classes(training, plans)  # k-means
            self._set_prototypes(training.classes, prototypes)
            metrics = self._set_metric(training, folds)  # of the decision
            self._set_temperature(training, folds, metrics)  # of probabilities
            self._settle(training.X)
        check_scale(rule_of(self))
        return counts

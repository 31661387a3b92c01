"""Quality of relevance maps: close to those of the black box, and robust."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch

from sklearn_kmex._compat import StrOptions, validate_params
from sklearn_kmex._model.decision import decide
from sklearn_kmex._model.steps import compare, embed
from sklearn_kmex.explain._network import FoundNetwork, find_network, steps_to_network
from sklearn_kmex.explain._relevance import relevance
from sklearn_kmex.explain._settings import (
    METHOD_SETTINGS,
    as_seed,
    explained_codes,
    make_method,
)
from sklearn_kmex.metrics import (
    average_drop_loss,
    average_increase_score,
    local_lipschitz_error,
    relevance_divergence_loss,
)


@validate_params(
    {"target": [StrOptions({"class", "margin"})]},
    prefer_skip_nested_validation=False,  # relevance checks the settings it is given
)
def faithfulness(
    psem: Any,
    X: Any,
    *,
    labels: ArrayLike | None = None,
    target: Literal["class", "margin"] = "class",
    method: str | None = None,
    rule: Literal["prp", "neuralized", "linear"] | None = None,
    bounds: tuple[ArrayLike, ArrayLike] | None = None,
    baseline: float | ArrayLike = 0.0,
    n_steps: int = 20,
    noise: float = 0.1,
    window: int | None = None,
    batch_size: int = 32,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Compare relevance maps with those of the black box.

    Both maps explain the same class, by the same rules and through the same encoder.

    Read more in the :ref:`User Guide <relevance>`.

    Parameters
    ----------
    psem : estimator
        Fitted self-explainable model: a `Pipeline` of any transformers, a
        `TorchEmbedder` or `SkorchEmbedder`, and a `KMExClassifier` with any metric.
        Between these two, it may have affine steps, such as scalers or PCA, and
        `Normalizer`. A fitted search, a `FrozenEstimator` or a `RejectingClassifier`
        around one is accepted; the classifier inside is explained.

    X : array-like of shape (n_samples, ...)
        Samples, preferably of a set that the model was not fitted on.

    labels : label or array-like of shape (n_samples,), default=None
        Class that is explained, one for all samples or one for each. None is the class
        that the self-explainable model predicts.

    target : {"class", "margin"}, default="class"
        What is explained, as in `relevance`.

    method : str or zennit.core.Composite, default=None
        Method of attribution, as in `relevance`, for all maps.

    rule : {"prp", "neuralized", "linear"}, default=None
        How relevance is assigned to the embedding, as in `relevance`.

    bounds : tuple of (low, high), default=None
        Smallest and largest possible value of an input, as in `relevance`.

    baseline : float or array-like, default=0.0
        Input without information, as in `relevance`.

    n_steps : int, default=20
        Number of gradients that "integrated_gradients" and "smoothgrad" average.

    noise : float, default=0.1
        Standard deviation of the noise of "smoothgrad", as in `relevance`.

    window : int, default=None
        Side length of the windows of "occlusion", as in `relevance`.

    batch_size : int, default=32
        Number of samples explained at a time.

    random_state : int, RandomState instance or None, default=None
        Shuffles the weights of `redrawn_head`, and draws the noise of "smoothgrad".

    Returns
    -------
    Bunch
        `divergence` : float, `relevance_divergence_loss` between the two, at least 0,
        in nats; 0 is best; NaN, with a warning, if all maps of both are uniform.
        `divergences` : ndarray of shape (n_samples,), the same for
        each sample. Two values for comparison: `second_class` : float, the divergence
        between the black box's maps of this class and of the best of the other
        classes, NaN for a network of one logit, whose maps of both classes differ by
        their sign alone; and `redrawn_head` : float, the divergence between the black
        box's maps and those of its encoder with a head of shuffled weights.

    Raises
    ------
    TypeError
        If there is no torch encoder before the classifier, or if a step between the two
        is not affine.

    ValueError
        As for `relevance`.

    See Also
    --------
    sklearn_kmex.metrics.relevance_divergence_loss : Metric that is used.
    robustness : Effect of masks, and stability of the maps between neighbors.

    Notes
    -----
    Maps are faithful if `divergence` is clearly below the other two values, which
    compare maps of one network that explain different things. The comparison with the
    black box is that of [1]_; the other two values are additions of this package.

    References
    ----------
    .. [1] S. Gautam, A. Boubekki, M. Höhne and M. Kampffmeyer, "Prototypical
       Self-Explainable Models Without Re-training", 2024, arXiv:2312.07822.

    Examples
    --------
    >>> import torch
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import make_kmex
    >>> from sklearn_kmex.explain import faithfulness
    >>> X, y = load_iris(return_X_y=True)
    >>> _ = torch.manual_seed(0)
    >>> hidden = torch.nn.Linear(4, 8, bias=False)
    >>> network = torch.nn.Sequential(hidden, torch.nn.ReLU(), torch.nn.Linear(8, 3))
    >>> psem = make_kmex(network, random_state=0).fit(X, y)
    >>> found = faithfulness(psem, X[:10])
    >>> found.divergence >= 0
    True
    """
    steps_to_network(psem, has_contrast=False)
    found = find_network(psem, X)
    codes = explained_codes(psem, X, labels, found.sem.classes_)
    seed = as_seed(random_state)
    settings = (method, bounds, baseline, n_steps, noise, window, seed)
    ours = relevance(
        psem,
        X,
        target,
        labels=found.sem.classes_[codes],
        rule=rule,
        batch_size=batch_size,
        **dict(zip(METHOD_SETTINGS, settings, strict=True)),
    )
    columns, made = found.columns(codes), make_method(*settings)
    theirs, second, redrawn = (
        found.output_maps(explained, batch_size, made, shuffled).values
        for explained, shuffled in (
            (columns, False),
            (_best_of_others(found, columns), False),
            (columns, True),
        )
    )
    loss = partial(
        relevance_divergence_loss, channel_axis=1 if theirs.ndim > 2 else None
    )
    divergences = loss(theirs, ours.reshape(theirs.shape), per_sample=True)
    defined = divergences[~np.isnan(divergences)]
    opposite = np.array_equal(theirs, -second)  # of a network with one output
    return Bunch(
        divergence=float(np.mean(defined)) if len(defined) else np.nan,
        divergences=divergences,
        second_class=np.nan if opposite else loss(theirs, second),
        redrawn_head=loss(theirs, redrawn),
    )


def _best_of_others(found: FoundNetwork, columns: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the largest output of the black box for each sample but the one given."""
    outputs = np.array(found.embedder._output(found.inputs))
    outputs[np.arange(len(outputs)), columns] = -np.inf
    return outputs.argmax(axis=1)


def robustness(
    psem: Any,
    X: ArrayLike,
    *,
    keep: float = 0.5,
    baseline: float | ArrayLike = 0.0,
    n_neighbors: int = 10,
    radius: float = 0.1,
    method: str | None = None,
    bounds: tuple[ArrayLike, ArrayLike] | None = None,
    n_steps: int = 20,
    noise: float = 0.1,
    window: int | None = None,
    batch_size: int = 32,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Measure the effect of masks, and the stability of maps between neighbors.

    The maps explain the similarity to the prototype that decides, the most similar one
    of the predicted class.

    Read more in the :ref:`User Guide <relevance>`.

    Parameters
    ----------
    psem : estimator
        Fitted self-explainable model: a `Pipeline` of any transformers, a
        `TorchEmbedder` or `SkorchEmbedder`, and a `KMExClassifier` with the log
        similarity and any metric. Between these two, it may have affine steps, such as
        scalers or PCA, and `Normalizer`. A fitted search, a `FrozenEstimator` or a
        `RejectingClassifier` around one is accepted; the classifier inside is
        explained.

    X : array-like of shape (n_samples, ...)
        Samples, as an array.

    keep : float in (0, 1], default=0.5
        Share of the positions that masks keep, the most relevant ones.

    baseline : float or array-like, default=0.0
        Values that replace the other positions, as in `average_drop_loss`. Methods of
        attribution with a baseline use 0.

    n_neighbors : int, default=10
        Number of neighbors of each sample.

    radius : float, default=0.1
        Largest change of a value of X, in its units.

    method : str or zennit.core.Composite, default=None
        Method of attribution, as in `relevance`, for all maps.

    bounds : tuple of (low, high), default=None
        Smallest and largest possible value of an input, as in `relevance`.

    n_steps : int, default=20
        Number of gradients that "integrated_gradients" and "smoothgrad" average.

    noise : float, default=0.1
        Standard deviation of the noise of "smoothgrad", as in `relevance`.

    window : int, default=None
        Side length of the windows of "occlusion", as in `relevance`.

    batch_size : int, default=32
        Number of samples explained at a time.

    random_state : int, RandomState instance or None, default=None
        Draws the neighbors, and the noise of "smoothgrad".

    Returns
    -------
    Bunch
        `average_drop` : float, `average_drop_loss` in [0, 1]; 0 is best.
        `average_increase` : float, `average_increase_score` in [0, 1]; 1 is best.
        `local_lipschitz` : float, `local_lipschitz_error`, at least 0; 0 is best.

    Raises
    ------
    TypeError
        If there is no torch encoder before the classifier, or if a step between the two
        is not affine.

    ValueError
        As for `relevance` and the metrics.

    See Also
    --------
    faithfulness : Divergence of the maps from those of the black box.
    sklearn_kmex.metrics.average_drop_loss : Metric of `average_drop`.
    sklearn_kmex.metrics.local_lipschitz_error : Metric of `local_lipschitz`.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import make_kmex
    >>> from sklearn_kmex.explain import robustness
    >>> X, y = load_iris(return_X_y=True)
    >>> _ = torch.manual_seed(0)
    >>> hidden = torch.nn.Linear(4, 8, bias=False)
    >>> network = torch.nn.Sequential(hidden, torch.nn.ReLU(), torch.nn.Linear(8, 3))
    >>> psem = make_kmex(network, random_state=0).fit(X, y)
    >>> found = robustness(psem, X[:10], baseline=X.mean(axis=0))
    >>> sorted(found)
    ['average_drop', 'average_increase', 'local_lipschitz']
    """
    steps_to_network(psem, has_contrast=False)
    samples, similarity = np.asarray(X, dtype=np.float32), partial(compare, psem)
    decision = decide(psem, embed(psem, samples))
    prototypes = decision.nearest_of(decision.predicted)
    seed = as_seed(random_state)
    settings = (method, bounds, 0.0, n_steps, noise, window, seed)
    how = dict(zip(METHOD_SETTINGS, settings, strict=True))
    maps = partial(relevance, batch_size=batch_size, **how)
    masks: dict[str, Any] = {
        "relevance": maps(psem, samples, prototypes=prototypes),
        "score_columns": prototypes,
        "keep": keep,
        "baseline": baseline,
        "channel_axis": 1 if samples.ndim > 3 else None,
    }
    return Bunch(
        average_drop=average_drop_loss(similarity, samples, **masks),
        average_increase=average_increase_score(similarity, samples, **masks),
        local_lipschitz=local_lipschitz_error(
            psem,
            samples,
            maps,
            prototypes=prototypes,
            n_neighbors=n_neighbors,
            radius=radius,
            random_state=seed,
        ),
    )

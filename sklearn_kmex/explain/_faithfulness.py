"""Whether relevance maps can be trusted: close to the black box's, and robust."""

from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch

from sklearn_kmex._compat import StrOptions, validate_params
from sklearn_kmex._model.steps import compare
from sklearn_kmex.explain._network import FoundNetwork, find_network
from sklearn_kmex.explain._relevance import relevance
from sklearn_kmex.explain._settings import class_codes, settings
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
    rule: Literal["prp", "neuralized"] | None = None,
    random_state: int | np.random.RandomState | None = 0,
    **how: Any,
) -> Bunch:
    """Compare relevance maps with those of the black box.

    Both explain the same class, by the same rules through the same encoder.

    Read more in the :ref:`User Guide <relevance>`.

    Parameters
    ----------
    psem : Pipeline
        Fitted self-explainable model: a `TorchEmbedder` or `SkorchEmbedder`, steps
        before it or not, and a `KMExClassifier` right behind it.

    X : array-like of shape (n_samples, ...)
        Samples, best of a set that nothing was fitted on.

    labels : label or array-like of shape (n_samples,), default=None
        Class that is explained, of all samples or each. None is the one that the
        self-explainable model predicts.

    target : {"class", "margin"}, default="class"
        What is explained, as in `relevance`.

    rule : {"prp", "neuralized"}, default=None
        How relevance reaches the embedding, as in `relevance`.

    random_state : int, RandomState instance or None, default=0
        Shuffles the weights of `redrawn_head`, and draws the noise of "smoothgrad".

    **how : dict
        Method and settings of `relevance`, for all maps alike.

    Returns
    -------
    Bunch
        `divergence` : float, `relevance_divergence_loss` between the two, at least 0,
        in nats; 0 is best. `divergences` : ndarray of shape (n_samples,), of each
        sample. To read it by, `second_class` : float, the divergence between the
        black box's maps of this class and of the one it ranks first of the others;
        and `redrawn_head` : float, that between the black box's maps and those of its
        encoder under a head of shuffled weights.

    Raises
    ------
    TypeError
        If there is no torch encoder right before the classifier.

    ValueError
        As for `relevance`.

    See Also
    --------
    sklearn_kmex.metrics.relevance_divergence_loss : The metric behind it.
    robustness : Whether maps tell the decision, and stay as they are nearby.

    Notes
    -----
    Maps are faithful as far as `divergence` is below the other two: there, maps of
    one network are compared that explain something else. The comparison with the black
    box is that of [1]_; what to read it by is ours.

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
    >>> network = torch.nn.Sequential(
    ...     torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)
    ... )
    >>> psem = make_kmex(network, random_state=0).fit(X, y)
    >>> found = faithfulness(psem, X[:10], method="epsilon")
    >>> found.divergence >= 0
    True
    """
    found = find_network(psem, X)
    how["random_state"] = random_state
    codes = class_codes(psem, X, labels, found.sem.classes_)
    ours = relevance(
        psem, X, target, labels=found.sem.classes_[codes], rule=rule, **how
    )
    batch_size, options = how.pop("batch_size", 32), settings(**how)
    columns = found.columns(codes)
    theirs, second, redrawn = (
        found.output_maps(explained, batch_size, options, shuffled)
        for explained, shuffled in (
            (columns, False),
            (best_of_others(found, columns), False),
            (columns, True),
        )
    )
    axis = 1 if theirs.ndim > 2 else None
    divergences = relevance_divergence_loss(
        theirs, ours.reshape(theirs.shape), channel_axis=axis, per_sample=True
    )
    return Bunch(
        divergence=float(np.mean(divergences)),
        divergences=divergences,
        second_class=relevance_divergence_loss(theirs, second, channel_axis=axis),
        redrawn_head=relevance_divergence_loss(theirs, redrawn, channel_axis=axis),
    )


def best_of_others(found: FoundNetwork, columns: NDArray[np.intp]) -> NDArray[np.intp]:
    """Output of the black box that is largest besides those given."""
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
    random_state: int | np.random.RandomState | None = 0,
    **how: Any,
) -> Bunch:
    """Measure whether relevance maps tell the decision, and stay as they are nearby.

    The maps are those of the similarity to the prototype that decides.

    Read more in the :ref:`User Guide <relevance>`.

    Parameters
    ----------
    psem : Pipeline
        Fitted self-explainable model: a `TorchEmbedder` or `SkorchEmbedder`, steps
        before it that keep the shape of the samples or not, and a `KMExClassifier`
        with the log similarity right behind it.

    X : array-like of shape (n_samples, ...)
        Samples, as an array.

    keep : float in (0, 1], default=0.5
        Share of the positions that masks keep, the most relevant ones.

    baseline : float or array-like, default=0.0
        What replaces the others, as in `average_drop_loss`.

    n_neighbors : int, default=10
        Number of neighbors of each sample.

    radius : float, default=0.1
        Largest change of a value of X, in its units.

    random_state : int, RandomState instance or None, default=0
        Draws the neighbors, and the noise of "smoothgrad".

    **how : dict
        Method and settings of `relevance`.

    Returns
    -------
    Bunch
        `average_drop` : float, `average_drop_loss` in [0, 1]; 0 is best.
        `average_increase` : float, `average_increase_score` in [0, 1]; 1 is best.
        `local_lipschitz` : float, `local_lipschitz_error`, at least 0; 0 is best.

    Raises
    ------
    TypeError
        If there is no torch encoder right before the classifier.

    ValueError
        As for `relevance` and the metrics.

    See Also
    --------
    faithfulness : How close maps are to those of the black box.
    sklearn_kmex.metrics.average_drop_loss : The metric behind `average_drop`.
    sklearn_kmex.metrics.local_lipschitz_error : The metric behind `local_lipschitz`.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import make_kmex
    >>> from sklearn_kmex.explain import robustness
    >>> X, y = load_iris(return_X_y=True)
    >>> _ = torch.manual_seed(0)
    >>> network = torch.nn.Sequential(
    ...     torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)
    ... )
    >>> psem = make_kmex(network, random_state=0).fit(X, y)
    >>> found = robustness(psem, X[:10], baseline=X.mean(axis=0), method="epsilon")
    >>> sorted(found)
    ['average_drop', 'average_increase', 'local_lipschitz']
    """
    samples, similarity = np.asarray(X, dtype=np.float32), partial(compare, psem)
    target = np.asarray(similarity(samples)).argmax(axis=1)
    how["random_state"] = random_state

    def maps(neighbors: NDArray, prototypes: NDArray) -> NDArray:
        return relevance(psem, neighbors, "similarity", prototypes=prototypes, **how)

    masks: dict[str, Any] = {
        "relevance": maps(samples, target),
        "target": target,
        "keep": keep,
        "baseline": baseline,
        "channel_axis": 1 if samples.ndim > 3 else None,
    }
    return Bunch(
        average_drop=average_drop_loss(similarity, samples, **masks),
        average_increase=average_increase_score(similarity, samples, **masks),
        local_lipschitz=local_lipschitz_error(
            maps,
            samples,
            target=target,
            n_neighbors=n_neighbors,
            radius=radius,
            random_state=random_state,
        ),
    )

"""Relevance maps: which parts of an input a decision by prototypes goes back to."""

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_kmex._compat import StrOptions, validate_params
from sklearn_kmex._model.steps import compare
from sklearn_kmex.explain._network import find_network
from sklearn_kmex.explain._settings import (
    SETTINGS,
    check_question,
    class_codes,
    prototype_ids,
    say_if_zero,
    settings,
)
from sklearn_kmex.utils import check_dependency


@validate_params(
    {
        "target": [StrOptions({"class", "margin", "similarity"})],
        "rule": [StrOptions({"prp", "neuralized"}), None],
        **SETTINGS,
    },
    prefer_skip_nested_validation=True,
)
def relevance(
    psem: Any,
    X: Any,
    target: Literal["class", "margin", "similarity"] = "class",
    *,
    labels: ArrayLike | None = None,
    prototypes: ArrayLike | None = None,
    method: str = "epsilon_plus_flat",
    rule: Literal["prp", "neuralized"] | None = None,
    bounds: tuple[ArrayLike, ArrayLike] | None = None,
    baseline: float | ArrayLike = 0.0,
    n_steps: int = 20,
    noise: float = 0.1,
    window: int | None = None,
    batch_size: int = 32,
    random_state: int | np.random.RandomState | None = None,
) -> NDArray:
    """Map a decision by prototypes back to the input of the network.

    Read more in the :ref:`User Guide <relevance>`.

    Parameters
    ----------
    psem : Pipeline
        Fitted self-explainable model: a `TorchEmbedder` or `SkorchEmbedder`, steps
        before it or not, and a `KMExClassifier` right behind it.

    X : array-like of shape (n_samples, ...)
        Samples, as `psem.predict` takes them.

    target : {"class", "margin", "similarity"}, default="class"
        What is explained: the score of a class, by how much a class leads over the
        nearest prototype of any other, or the similarity to prototypes.

    labels : label or array-like of shape (n_samples,), default=None
        Class that "class" and "margin" explain, of all samples or each. None is the
        predicted one.

    prototypes : int or array-like of shape (n_samples,) or (n_samples, n_maps), \
default=None
        Prototypes whose similarity "similarity" explains, by their places in
        `prototypes_`. None is the most similar one.

    method : str or zennit.core.Composite, default="epsilon_plus_flat"
        How relevance is found. Layer-wise relevance propagation [1]_: "epsilon",
        "epsilon_plus" or "epsilon_alpha2_beta1", named by the rules of linear layers
        and of convolutions, alone or followed by the rule at the input, "_flat" or
        "_box". Or "gradient_x_input", "integrated_gradients", "smoothgrad" or
        "occlusion", which ask nothing of the layers. Or a composite of zennit.

    rule : {"prp", "neuralized"}, default=None
        Score of a class, and how its relevance reaches the embedding. "prp" explains
        similarities, more by channels where embedding and prototype agree [2]_;
        "neuralized" explains the lead in squared distance, exactly [3]_. None is
        "neuralized" for the margin and "prp" for all else.

    bounds : tuple of (low, high), default=None
        Least and greatest value that an input can have, numbers or arrays that
        broadcast to a sample; needed by the methods that end in "_box".

    baseline : float or array-like, default=0.0
        Input without information, a number or an array that broadcasts to a sample:
        where "integrated_gradients" starts, and what "occlusion" puts into windows.

    n_steps : int, default=20
        Number of gradients that "integrated_gradients" and "smoothgrad" average.

    noise : float, default=0.1
        Standard deviation of the noise of "smoothgrad", as a share of the range of
        values of the sample; all samples get the same noise.

    window : int, default=None
        Side of the windows of "occlusion", in positions. None is an eighth of the
        side of the input.

    batch_size : int, default=32
        Number of samples explained at a time, by which memory is bounded.

    random_state : int, RandomState instance or None, default=None
        Draws the noise of "smoothgrad".

    Returns
    -------
    ndarray of shape (n_samples, ...) or (n_samples, n_maps, ...)
        Maps of the shape of the network's input, or of the rows that `input_shape`
        reshapes, in its dtype; positive speaks for what is explained. Several for each
        sample where `prototypes` has two axes.

    Raises
    ------
    TypeError
        If there is no torch encoder right before the classifier.

    ValueError
        If the samples do not fit the network, a label or prototype is not there, a
        map is not finite, or LRP has no rule for a layer, which is named.

    MissingDependencyError
        If zennit is not installed.

    Warns
    -----
    KMExWarning
        If maps are zero everywhere.

    See Also
    --------
    black_box_relevance : Maps of the network's own decision, by the same rules.
    concept_maps : Where a prototype is found, without gradients.
    contrast : The same question for a table, answered exactly.
    faithfulness : How close these maps are to those of the black box.

    Notes
    -----
    A private copy of the network is explained, the network itself is not touched.
    Batch norms are folded into the convolutions before them, whose biases take no
    relevance, so that maps sum to the score under "epsilon_plus" and
    "epsilon_alpha2_beta1"; linear layers keep the share of their biases to themselves.
    Sums, means and activations that the network computes between its layers get rules
    of their own. One forward pass serves all maps of a sample.

    Under "prp", a channel c of the embedding z gets the share g_c / sum(g) of the
    similarity to prototype p, g_c = abs(z_c) / ((z_c - p_c)**2 + m), m a tenth of the
    mean of the squared differences of the channels. In [2]_ it is
    1 / ((z_c - p_c)**2 + small): there, a channel takes nearly all that happens to
    agree, or that is off in both and says nothing of the input. Under "neuralized",
    with a the nearest prototype of the class and b that of the others, the margin
    d(z, b)**2 - d(z, a)**2 is the sum over channels of 2 (a - b) (z - (a + b) / 2).

    References
    ----------
    .. [1] S. Bach, A. Binder, G. Montavon, F. Klauschen, K.-R. Müller and W. Samek,
       "On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise
       Relevance Propagation", PLOS ONE 10(7), 2015.
    .. [2] S. Gautam, M. Höhne, S. Hansen, R. Jenssen and M. Kampffmeyer, "This looks
       More Like that: Enhancing Self-Explaining Models by Prototypical Relevance
       Propagation", Pattern Recognition 136, 2023.
    .. [3] J. Kauffmann, M. Esders, L. Ruff, G. Montavon, W. Samek and K.-R. Müller,
       "From Clustering to Cluster Explanations via Neural Networks", IEEE Transactions
       on Neural Networks and Learning Systems, 2022.

    Examples
    --------
    >>> import torch
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import make_kmex
    >>> from sklearn_kmex.explain import relevance
    >>> X, y = load_iris(return_X_y=True)
    >>> _ = torch.manual_seed(0)
    >>> network = torch.nn.Sequential(
    ...     torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)
    ... )
    >>> psem = make_kmex(network, random_state=0).fit(X, y)
    >>> relevance(psem, X[:2], method="epsilon").shape
    (2, 4)
    """
    check_question(target, rule, labels, prototypes)
    found = find_network(psem, X)
    check_dependency("zennit", caller="relevance", extra="explain")
    from sklearn_kmex._torch.attribution import explain_prototypes
    from sklearn_kmex._torch.scores import Prototypes, Target

    sem, similar = found.sem, np.asarray(compare(psem, X))
    ids = prototype_ids(prototypes, similar)
    codes = class_codes(psem, X, labels, sem.classes_)
    owners = np.searchsorted(sem.classes_, sem.prototype_classes_)
    others = np.where(owners == codes[:, np.newaxis], -np.inf, similar)
    asked = Target(
        target,
        rule or ("neuralized" if target == "margin" else "prp"),
        codes,
        owners[others.argmax(axis=1)],
        ids.reshape(len(ids), -1),
    )
    known = Prototypes(
        sem.prototypes_,
        owners,
        getattr(sem, "similarity", "log"),
        getattr(sem, "epsilon", 1e-4),
        getattr(sem, "aggregation", "max"),
    )
    how = settings(method, bounds, baseline, n_steps, noise, window, random_state)
    maps = explain_prototypes(
        found.network(batch_size), found.inputs, asked, known, how
    )
    several = target == "similarity" and ids.ndim == 2
    return say_if_zero(found.as_given(maps if several else maps[:, 0]))


@validate_params(SETTINGS, prefer_skip_nested_validation=True)
def black_box_relevance(
    psem: Any,
    X: Any,
    *,
    labels: ArrayLike | None = None,
    method: str = "epsilon_plus_flat",
    bounds: tuple[ArrayLike, ArrayLike] | None = None,
    baseline: float | ArrayLike = 0.0,
    n_steps: int = 20,
    noise: float = 0.1,
    window: int | None = None,
    batch_size: int = 32,
    random_state: int | np.random.RandomState | None = None,
) -> NDArray:
    """Map the decision of the black box back to the input of the network.

    The score that is explained is that of the network's own last linear layer, by the
    same rules as those of `relevance`.

    Read more in the :ref:`User Guide <relevance>`.

    Parameters
    ----------
    psem : Pipeline
        Fitted self-explainable model: a `TorchEmbedder` or `SkorchEmbedder`, steps
        before it or not, and a `KMExClassifier` right behind it.

    X : array-like of shape (n_samples, ...)
        Samples, as `psem.predict` takes them.

    labels : label or array-like of shape (n_samples,), default=None
        Class that is explained, of all samples or each. None is the one that the
        self-explainable model predicts.

    method : str or zennit.core.Composite, default="epsilon_plus_flat"
        How relevance is found, as in `relevance`.

    bounds : tuple of (low, high), default=None
        Least and greatest value that an input can have.

    baseline : float or array-like, default=0.0
        Input without information.

    n_steps : int, default=20
        Number of gradients that are averaged.

    noise : float, default=0.1
        Standard deviation of the noise of "smoothgrad".

    window : int, default=None
        Side of the windows of "occlusion".

    batch_size : int, default=32
        Number of samples explained at a time.

    random_state : int, RandomState instance or None, default=None
        Draws the noise of "smoothgrad".

    Returns
    -------
    ndarray of shape (n_samples, ...)
        Maps of the shape of the network's input; positive speaks for the class.

    Raises
    ------
    TypeError
        If there is no torch encoder right before the classifier.

    ValueError
        If the network has no linear layer that gives one score for each class, or as
        for `relevance`.

    MissingDependencyError
        If zennit is not installed.

    Warns
    -----
    KMExWarning
        If maps are zero everywhere.

    See Also
    --------
    relevance : Maps of the decision by prototypes.
    faithfulness : How far the two are apart.

    Examples
    --------
    >>> import torch
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import make_kmex
    >>> from sklearn_kmex.explain import black_box_relevance
    >>> X, y = load_iris(return_X_y=True)
    >>> _ = torch.manual_seed(0)
    >>> network = torch.nn.Sequential(
    ...     torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)
    ... )
    >>> psem = make_kmex(network, random_state=0).fit(X, y)
    >>> black_box_relevance(psem, X[:2], method="epsilon").shape
    (2, 4)
    """
    found = find_network(psem, X)
    check_dependency("zennit", caller="black_box_relevance", extra="explain")
    codes = class_codes(psem, X, labels, found.sem.classes_)
    how = settings(method, bounds, baseline, n_steps, noise, window, random_state)
    maps = found.output_maps(found.columns(codes), batch_size, how)
    return say_if_zero(found.as_given(maps))

"""Relevance maps: which parts of an input a decision is based on."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch

from sklearn_kmex._compat import StrOptions, validate_params
from sklearn_kmex._model.protocol import of_one_state
from sklearn_kmex.explain._network import find_network
from sklearn_kmex.explain._settings import (
    SETTINGS,
    explained_codes,
    find_target,
    make_method,
    warn_if_lost,
    warn_if_zero,
)
from sklearn_kmex.explain._target import find_scores
from sklearn_kmex.utils import check_dependency


@validate_params(
    {
        "target": [StrOptions({"class", "margin", "similarity"}), None],
        "rule": [StrOptions({"prp", "neuralized", "linear"}), None],
        "return_shares": ["boolean"],
        **SETTINGS,
    },
    prefer_skip_nested_validation=True,
)
def relevance(
    psem: Any,
    X: Any,
    target: Literal["class", "margin", "similarity"] | None = None,
    *,
    labels: ArrayLike | None = None,
    prototypes: ArrayLike | None = None,
    method: str | None = None,
    rule: Literal["prp", "neuralized", "linear"] | None = None,
    bounds: tuple[ArrayLike, ArrayLike] | None = None,
    baseline: float | ArrayLike = 0.0,
    n_steps: int = 20,
    noise: float = 0.1,
    window: int | None = None,
    batch_size: int = 32,
    random_state: int | np.random.RandomState | None = None,
    return_shares: bool = False,
) -> NDArray | tuple[NDArray, Bunch]:
    """Compute relevance maps of a decision by prototypes.

    A map gives each value of the network's input its share in a score of the model.

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
        Samples, as `psem.predict` takes them.

    target : {"class", "margin", "similarity"}, default=None
        What is explained: the score of a class, the margin between a class and the
        nearest prototype of any other class, or the similarity to prototypes. With
        `prototypes`, "margin" is what sets each of them apart from the others given:
        the mean squared distance to the others minus that to it; for a single one, the
        other is the most similar of all. None is "similarity" if `prototypes` is given,
        and "class" otherwise.

    labels : label or array-like of shape (n_samples,), default=None
        Class that "class" and "margin" explain, one for all samples or one for each.
        None is the predicted class.

    prototypes : int or array-like of shape (n_samples,) or (n_samples, n_maps), \
default=None
        Prototypes that "similarity", or "margin", explains, as indices of
        `prototypes_`. For "similarity", None is the most similar one of the predicted
        class, by weighted similarity.

    method : str or zennit.core.Composite, default=None
        Method of attribution. None is "epsilon" for a network with attention,
        "epsilon_plus" for another one whose first layer is linear and reads all values
        of a sample, as for a table, and "epsilon_plus_flat" for others. Layer-wise
        relevance propagation (LRP) [1]_: "epsilon", "epsilon_plus" or
        "epsilon_alpha2_beta1", named after the rules of linear layers and of
        convolutions, optionally followed by "_cp", by which the weights of attention
        are held fixed [4]_, and by the rule at the input, "_flat" or "_box".
        The flat rule is refused where the first layer reads all values, as it would
        give each the same relevance, and the box rule for a table. Methods for layers
        of any kind: "gradient_x_input", "integrated_gradients", "smoothgrad" or
        "occlusion". Or a composite of zennit.

    rule : {"prp", "neuralized", "linear"}, default=None
        How relevance is assigned to the embedding. "prp" explains similarities, and
        assigns more to channels where embedding and prototype agree [2]_. "neuralized"
        explains the margin in squared distance of the metric, exactly [3]_. "linear"
        explains both exactly, for embeddings with values of both signs: a similarity
        is explained above that to the mean of the classes. None is "linear" for
        networks with attention or layer norms; for others, it is "neuralized" for the
        margin and "prp" otherwise.

    bounds : tuple of (low, high), default=None
        Smallest and largest possible value of an input, numbers or arrays that
        broadcast to a sample. Required by the methods that end in "_box".

    baseline : float or array-like, default=0.0
        Input without information, a number or an array that broadcasts to a sample:
        the start of "integrated_gradients", and the values of windows of "occlusion".

    n_steps : int, default=20
        Number of gradients that "integrated_gradients" and "smoothgrad" average.

    noise : float, default=0.1
        Standard deviation of the noise of "smoothgrad", as a share of the range of
        values of the sample. All samples get the same noise.

    window : int, default=None
        Side length of the windows of "occlusion", in positions, at most the longest
        side of the input. None is an eighth of the side length of the input.

    batch_size : int, default=32
        Number of samples explained at a time; limits the memory needed.

    random_state : int, RandomState instance or None, default=None
        Draws the noise of "smoothgrad".

    return_shares : bool, default=False
        Whether to also return how much of the score is where. By methods other than
        LRP, all shares but `input` and `rest` are 0.

    Returns
    -------
    maps : ndarray of shape (n_samples, ...) or (n_samples, n_maps, ...)
        Maps of float64 for a network of that, and of float32 for others, in the shape
        of the network's input, or in that of X where `input_shape` reshapes rows.
        Positive values support what is explained. Several maps for each sample if
        `prototypes` has two axes.

    shares : Bunch
        Only if `return_shares` is True. Arrays of shape (n_samples,), or (n_samples,
        n_maps) for several maps: `score`, which is explained, is the sum of `input`,
        the relevance of the map; `positions`, that of constants which are added for
        each position and channel, such as position embeddings; `tokens`, that of
        constants which are put beside the input, such as class tokens; `constant`, the
        part of the score that no channel of the embedding contributes; and `rest`, what
        biases, other constants and the softmax of attention keep.

    Raises
    ------
    TypeError
        If there is no torch encoder before the classifier, or if a step between the two
        is not affine.

    ValueError
        If the samples do not fit the network, a label or prototype does not exist, a
        map is not finite, or LRP has no rule for a layer or function, which is named.

    MissingDependencyError
        If zennit is not installed.

    Warns
    -----
    KMExWarning
        If maps are zero everywhere; or, by LRP, if their sum is off by more than a
        twentieth of the relevance of the embedding, as biases take a share.

    See Also
    --------
    black_box_relevance : Maps of the network's own decision, by the same rules.
    concept_maps : Where a prototype is found, without gradients.
    contrast : Exact contributions of the columns of a table.
    faithfulness : Divergence of these maps from those of the black box.

    Notes
    -----
    A copy of the network is explained; the network itself is not changed. Batch norms
    are merged into the convolutions before them. Biases of convolutions get no
    relevance under "epsilon_plus" and "epsilon_alpha2_beta1". If the contributions to
    an output have one sign only, they get all of its relevance, and if there are none,
    its inputs share it evenly, where the published rules would lose it. So maps sum to
    the score, but for biases of linear layers, which keep their share. Under "epsilon",
    all biases do. Sums, means, products and activations that the network computes
    between its layers have rules of their own; a gate, such as a sigmoid, is held
    fixed. One forward pass is made for all maps of a sample.

    Transformers follow AttnLRP [4]_: the softmax passes relevance on by its Taylor
    expansion, and a product of two values, or of two matrices, gives half to each. With
    "_cp", all relevance of attention goes to the values [5]_. The scale of layer norms
    and other norms is held fixed [5]_.

    Under "prp", a channel c of the embedding z gets the share g_c / sum(g) of the
    similarity to prototype p, where g_c = abs(z_c) / ((z_c - p_c)**2 + m) and m is a
    tenth of the mean of the squared differences of the channels. In [2]_ it is
    1 / ((z_c - p_c)**2 + small). With that rule, nearly all relevance goes to a single
    channel: one that agrees by chance, or one that is zero in both and contains no
    information about the input. Under "neuralized", with a the nearest prototype of
    the class and b that of the other classes, the margin d(z, b)**2 - d(z, a)**2 is
    the sum over the channels of 2 (a - b) (z - (a + b) / 2). The nearest prototypes are
    those with the largest weighted similarity.

    Under "linear", with c the mean of the classes, each the mean of its prototypes, a
    similarity s(z, p) is s(z, c) and a multiple of d(z, c)**2 - d(z, p)**2, which is
    linear in z: the channels contribute (p - c) z, up to the multiple. The squares of z
    cancel. They are the same for all prototypes, and nearly constant after a norm: with
    them, maps would be worse than random (see the user guide). The multiple is 1 / 2
    for the gaussian similarity. For the log similarity, it is the ratio of the two
    differences. The score of a class is the mean of those of its prototypes, by their
    weights in it. For the margin, c is the prototype of the other class.

    The metric, and the steps between the network and the classifier, are one more
    linear layer: prototypes are compared with an affine function of z, and the squared
    distance is (z - p)' M (z - p). The length that a cosine metric or a `Normalizer`
    divides by is held fixed, but for the methods that use gradients of the score. Under
    "prp", (z_c - p_c)**2 becomes (M (z - p))_c**2 / M_cc, by which the squared distance
    would fall if channel c were free, and abs(z_c) becomes abs(z_c) sqrt(M_cc). Under
    "neuralized", the terms are 2 (M (a - b))_c (z_c - (a_c + b_c) / 2). A step that
    reduces the channels, such as PCA, takes the difference z - (a + b) / 2 back as the
    smallest change of the embedding that produces it. What the weights of prototypes
    add to the score of a class gets no relevance, as it is a constant. The extension
    to other metrics is an addition of this package.

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
    .. [4] R. Achtibat et al., "AttnLRP: Attention-Aware Layer-Wise Relevance
       Propagation for Transformers", ICML 2024, arXiv:2402.05602.
    .. [5] A. Ali et al., "XAI for Transformers: Better Explanations through
       Conservative Propagation", ICML 2022, arXiv:2202.07304.

    Examples
    --------
    >>> import torch
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import make_kmex
    >>> from sklearn_kmex.explain import relevance
    >>> X, y = load_iris(return_X_y=True)
    >>> _ = torch.manual_seed(0)
    >>> hidden = torch.nn.Linear(4, 8, bias=False)
    >>> network = torch.nn.Sequential(hidden, torch.nn.ReLU(), torch.nn.Linear(8, 3))
    >>> psem = make_kmex(network, random_state=0).fit(X, y)
    >>> relevance(psem, X[:2]).shape
    (2, 4)
    """
    what = find_target(target, rule, labels, prototypes)
    psem = of_one_state(psem)
    found = find_network(psem, X)
    check_dependency("zennit", caller="relevance", extra="explain")
    from sklearn_kmex._torch.attribution import explain_prototypes

    explained, several = find_scores(
        psem, X, found.layers(), what, labels, prototypes, rule
    )
    how = make_method(method, bounds, baseline, n_steps, noise, window, random_state)
    maps = explain_prototypes(
        found.embedder._encoder(batch_size),
        found.inputs,
        explained,
        how,
    )
    if not several:
        maps = maps.of_one()
    warn_if_lost(maps)
    values = warn_if_zero(found.as_given(maps.values))
    return (values, maps.shares()) if return_shares else values


@validate_params(SETTINGS, prefer_skip_nested_validation=True)
def black_box_relevance(
    psem: Any,
    X: Any,
    *,
    labels: ArrayLike | None = None,
    method: str | None = None,
    bounds: tuple[ArrayLike, ArrayLike] | None = None,
    baseline: float | ArrayLike = 0.0,
    n_steps: int = 20,
    noise: float = 0.1,
    window: int | None = None,
    batch_size: int = 32,
    random_state: int | np.random.RandomState | None = None,
) -> NDArray:
    """Compute relevance maps of the decision of the black box.

    The explained score is an output of the network's last linear layer. The rules are
    those of `relevance`.

    Read more in the :ref:`User Guide <relevance>`.

    Parameters
    ----------
    psem : estimator
        Fitted self-explainable model: a `Pipeline` of any transformers, a
        `TorchEmbedder` or `SkorchEmbedder`, and a `KMExClassifier`. A fitted search, a
        `FrozenEstimator` or a `RejectingClassifier` around one is accepted; the
        classifier inside is explained.

    X : array-like of shape (n_samples, ...)
        Samples, as `psem.predict` takes them.

    labels : label or array-like of shape (n_samples,), default=None
        Class that is explained, one for all samples or one for each. None is the class
        that the self-explainable model predicts.

    method : str or zennit.core.Composite, default=None
        Method of attribution, as in `relevance`.

    bounds : tuple of (low, high), default=None
        Smallest and largest possible value of an input.

    baseline : float or array-like, default=0.0
        Input without information.

    n_steps : int, default=20
        Number of gradients that are averaged.

    noise : float, default=0.1
        Standard deviation of the noise of "smoothgrad".

    window : int, default=None
        Side length of the windows of "occlusion".

    batch_size : int, default=32
        Number of samples explained at a time.

    random_state : int, RandomState instance or None, default=None
        Draws the noise of "smoothgrad".

    Returns
    -------
    ndarray of shape (n_samples, ...)
        Maps of the shape of the network's input. Positive values support the class.

    Raises
    ------
    TypeError
        If there is no torch encoder before the classifier.

    ValueError
        If the network has no linear layer with one output for each class, or as for
        `relevance`.

    MissingDependencyError
        If zennit is not installed.

    Warns
    -----
    KMExWarning
        If maps are zero everywhere; or, by LRP, if their sum is off by more than a
        twentieth of the relevance of the embedding, as biases take a share.

    See Also
    --------
    relevance : Maps of the decision by prototypes.
    faithfulness : Divergence between the two.

    Examples
    --------
    >>> import torch
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import make_kmex
    >>> from sklearn_kmex.explain import black_box_relevance
    >>> X, y = load_iris(return_X_y=True)
    >>> _ = torch.manual_seed(0)
    >>> hidden = torch.nn.Linear(4, 8, bias=False)
    >>> network = torch.nn.Sequential(hidden, torch.nn.ReLU(), torch.nn.Linear(8, 3))
    >>> psem = make_kmex(network, random_state=0).fit(X, y)
    >>> black_box_relevance(psem, X[:2]).shape
    (2, 4)
    """
    found = find_network(psem, X)
    check_dependency("zennit", caller="black_box_relevance", extra="explain")
    codes = explained_codes(psem, X, labels, found.sem.classes_)
    how = make_method(method, bounds, baseline, n_steps, noise, window, random_state)
    maps = found.output_maps(found.columns(codes), batch_size, how)
    warn_if_lost(maps)
    return warn_if_zero(found.as_given(maps.values))

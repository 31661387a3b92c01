"""find_leaks: test samples that are copies, or nearly, of training samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from sklearn_kmex._data.arrays import to_numpy
from sklearn_kmex._data.samples import as_samples, len_of
from sklearn_kmex._draw.sentences import leaks_lines
from sklearn_kmex._draw.terminal import paragraphs
from sklearn_kmex._model.protocol import find_sem, of_one_state
from sklearn_kmex._model.steps import embed
from sklearn_kmex.metrics._cropped import are_large, nearest_parts
from sklearn_kmex.metrics._leak_chance import chances, claim, without_copies
from sklearn_kmex.metrics._near_rows import (
    N_NEAREST,
    Columns,
    Images,
    Nearest,
    as_columns,
    as_embeddings,
    as_images,
    candidates,
    in_order,
)
from sklearn_kmex.utils import check_dependency

N_COMPARED = 3_000  # training rows, to see how near rows are by chance
SEED = 0
N_CROPPED = 1_000  # of these, that are compared up to a crop


class Leaks(Bunch):
    """Result of `find_leaks`, with the pairs as a table."""

    def frame(self) -> Any:
        """Return the pairs as a pandas DataFrame, the least likely by chance first.

        Returns
        -------
        pandas.DataFrame
            Columns `test_row`, `train_row`, `kind`, `found_by`, `distance` and
            `chance`.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        pandas = check_dependency("pandas", caller="frame", extra="all")
        return pandas.DataFrame(dict(self.pairs))

    def __str__(self) -> str:
        return paragraphs([leaks_lines(self)])


def find_leaks(
    psem: Any,
    X_train: Any,
    X_test: Any,
    *,
    image_shape: tuple[int, ...] | None = None,
) -> Leaks:
    r"""Find test samples that are copies, or nearly, of training samples.

    Samples are compared by their embeddings and by their content. The training set
    shows how near samples are by chance: in a table of few columns, many people have
    equal rows, and these are not leaks.

    Read more in the :ref:`User Guide <leaks>`.

    Parameters
    ----------
    psem : estimator
        Fitted prototypical self-explainable model, as for
        :class:`~sklearn_kmex.report.SEMReport`.

    X_train : array-like of shape (n_train, n_features) or (n_train, ...)
        Samples that `psem` was fitted to; at least 20.

    X_test : array-like of shape (n_test, n_features) or (n_test, ...)
        Samples that should not be among them.

    image_shape : tuple of int, default=None
        Shape of the image in a flat row. None takes rows of two dimensions for a table.

    Returns
    -------
    :class:`~sklearn.utils.Bunch`
        Dictionary-like object:

        pairs : :class:`~sklearn.utils.Bunch`
            Arrays of the same length, one entry for each test sample that leaked, the
            least likely by chance first: `test_row`; `train_row`, the training sample
            that it is nearest to; `kind`, "equal" or "near"; `found_by`, "content",
            "crop" (content of which one is a part of the other, or mirrored) or
            "embedding"; `distance`; and `chance`, the share of training samples that
            are as near to another training sample, in [0, 1].
        n_expected : float
            Expected number of pairs that are due to chance.
        equal : :class:`~sklearn.utils.Bunch`
            `test_share`, the share of test samples that are equal to a training sample,
            and `train_share`, the share of training samples that are equal to another,
            in content and embedding.
        frame : method
            Return `pairs` as a pandas DataFrame.

    Raises
    ------
    TypeError
        If `psem` is not a prototypical self-explainable model.

    ValueError
        If there are fewer than 20 training samples, or no test samples.

    See Also
    --------
    audit : Suspect labels, and samples of equal content.
    drift : Whether new samples differ from others.

    Notes
    -----
    Embeddings are compared by their Euclidean distance. Images are compared in grey, at
    about 32 pixels on each side, by 1 minus their correlation, with one of them moved
    by up to 3 of these pixels. Images of at least 8 pixels on each side are also
    compared where one is a part of the other, of at least 70 % of each side, that was
    brought to the same size, and may be mirrored left to right. Candidates have similar
    spectra, and are aligned by least squares. Rows of tables are compared by the sum
    over columns of the difference, relative to the larger of the two values and of the
    standard deviation; values that are not numbers differ by 0 or 1. Other data, such
    as texts, are compared by embedding.

    The chance p of a distance d is the share of 3,000 training samples (1,000 for
    parts of images) that have another training sample at a distance of at most d. Below
    the smallest distances, it is extrapolated by a power of d. A pair is listed if
    :math:`p n_{test} \leq 0.01`, or if at least twice as many test samples are as near
    as expected by chance, by a binomial test at the level of 1 %. In the second case,
    up to 1 % of the test samples are listed by chance; `n_expected` estimates how many.
    The comparison with the smallest share of pairs by chance lists them first, and the
    others are judged by the remaining test samples.

    If more training samples have exactly one other sample as near than samples that
    are drawn independently can have, these others are copies, and do not count; outside
    the content of images, also exactly two or three. The method is our own.

    The cost is that of embedding both sets, and of O(n_test * n_train * n_features)
    for distances, in blocks.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.metrics import find_leaks
    >>> X, y = np.random.RandomState(0).normal(size=(300, 6)), np.arange(300) % 2
    >>> psem = KMExClassifier(2, random_state=0).fit(X[:200], y[:200])
    >>> X_test = np.concatenate([X[200:], X[7:8] * 1.001])
    >>> found = find_leaks(psem, X[:200], X_test)
    >>> found.pairs.test_row, found.pairs.train_row, found.pairs.kind.tolist()
    (array([100]), array([7]), ['near'])
    """
    psem, training, test = of_one_state(psem), as_samples(X_train), as_samples(X_test)
    find_sem(psem)
    Z_train, Z_test = (to_numpy(embed(psem, X)) for X in (training, test))
    return leaks_of(training, test, Z_train, Z_test, image_shape)


def leaks_of(
    X_train: Any,
    X_test: Any,
    Z_train: Any,
    Z_test: Any,
    image_shape: tuple[int, ...] | None = None,
    n_compared: int = N_COMPARED,
) -> Leaks:
    """Compare samples of known embeddings.

    `n_compared` training rows show how near rows are to each other by chance.
    """
    n_train, n_test = len_of(X_train), len_of(X_test)
    if n_train < 20 or not n_test:
        raise ValueError(
            "find_leaks needs at least 20 training samples and a test sample; got "
            f"{n_train} and {n_test}."
        )
    some = np.random.RandomState(SEED).permutation(n_train)[:n_compared]
    views = _views(X_train, X_test, Z_train, Z_test, image_shape)
    nearest = _nearest(views, some)
    equal = [
        np.logical_and.reduce(
            [pair[k].distances[:, 0] == 0 for pair in nearest.values()]
        )
        for k in (0, 1)
    ]
    nearest |= _parts(views, some[:N_CROPPED])
    return _joined(_all_claims(nearest, equal[0], _steps(views)), equal)


def _all_claims(
    nearest: dict[str, tuple[Nearest, Nearest]],
    equal: NDArray[np.bool_],
    steps: dict[str, float],
) -> list[tuple[Bunch, float]]:
    """Return pairs by each view; that with the fewest by chance names rows first."""
    claims: list[tuple[Bunch, float]] = []
    left = np.arange(len(equal))
    views = dict(nearest)
    while views:
        found = {
            name: _claims(name, left, *pair, equal, steps[name])
            for name, pair in views.items()
        }
        by_chance = {
            name: expected / len(pairs.test_row)
            for name, (pairs, expected) in found.items()
            if len(pairs.test_row)
        }
        if not by_chance:
            return claims or list(found.values())
        best = min(by_chance, key=lambda name: by_chance[name])
        claims.append(found[best])
        left = np.setdiff1d(left, found[best][0].test_row)
        del views[best]
    return claims


def _nearest(
    views: dict[str, tuple[Any, Any]], some: NDArray[np.intp]
) -> dict[str, tuple[Nearest, Nearest]]:
    """Return what is nearest to test rows and to some training rows, in each view."""
    features = [
        pair
        for training, test in views.values()
        for pair in zip(training.features(), test.features(), strict=True)
    ]
    near_test = np.hstack([candidates(b, a, None) for a, b in features])
    near_train = np.hstack([candidates(a[some], a, some) for a, b in features])
    return {
        name: (
            in_order(near_test, test.distances(training, near_test)),
            in_order(near_train, training.take(some).distances(training, near_train)),
        )
        for name, (training, test) in views.items()
    }


def _parts(
    views: dict[str, tuple[Any, Any]], some: NDArray[np.intp]
) -> dict[str, tuple[Nearest, Nearest]]:
    """Compare images up to a crop and a reflection."""
    training, test = views.get("content", (None, None))
    if not isinstance(training, Images) or not are_large(training):
        return {}
    return {
        "crop": (
            nearest_parts(test, training, None),
            nearest_parts(training.take(some), training, some),
        )
    }


def _steps(views: dict[str, tuple[Any, Any]]) -> dict[str, float]:
    """Return the smallest differences; those of embeddings of a table are unknown."""
    content = views.get("content", (None, None))[0]
    if isinstance(content, Columns):
        return {"content": content.step, "embedding": np.inf}
    return {"content": 0.0, "crop": 0.0, "embedding": 0.0}


def _views(
    X_train: Any,
    X_test: Any,
    Z_train: Any,
    Z_test: Any,
    image_shape: tuple[int, ...] | None,
) -> dict[str, tuple[Any, Any]]:
    """Return what both sets are compared by: content first, where it can be."""
    images = as_images(X_train, image_shape), as_images(X_test, image_shape)
    content = images if None not in images else as_columns(X_train, X_test)
    views: dict[str, tuple[Any, Any]] = {}
    if content is not None:
        views["content"] = content
    embeddings = as_embeddings(Z_train), as_embeddings(Z_test)
    if None not in embeddings:
        views["embedding"] = embeddings
    if not views:
        raise ValueError(
            "Samples or their embeddings must be numbers, images or tables to be "
            f"compared; got {type(X_train).__name__} and {type(Z_train).__name__}."
        )
    return views


def _claims(
    name: str,
    left: NDArray[np.intp],
    test: Nearest,
    within: Nearest,
    equal: NDArray[np.bool_],
    step: float,
) -> tuple[Bunch, float]:
    """Return pairs of rows left that chance does not explain, and how many it does."""
    distances = test.distances[left, 0]
    known = without_copies(within.distances[:, :N_NEAREST])
    chance = chances(distances, known, step)
    found, n_expected = claim(distances, known, chance)
    rows = left[found]
    pairs = Bunch(
        test_row=rows,
        train_row=test.rows[rows, 0],
        kind=np.where(equal[rows], "equal", "near"),
        found_by=np.full(len(rows), name),
        distance=distances[found],
        chance=chance[found],
    )
    return pairs, n_expected


def _joined(found: list[tuple[Bunch, float]], equal: list[NDArray[np.bool_]]) -> Leaks:
    """Join the pairs of several comparisons."""
    joined = {
        name: np.concatenate([pairs[name] for pairs, _ in found])
        for name in found[0][0]
    }
    order = np.argsort(joined["chance"], kind="stable")
    return Leaks(
        pairs=Bunch(**{name: column[order] for name, column in joined.items()}),
        n_expected=max(expected for _, expected in found),
        equal=Bunch(
            test_share=float(equal[0].mean()), train_share=float(equal[1].mean())
        ),
    )

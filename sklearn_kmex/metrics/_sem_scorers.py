"""All scorers of the predicates at once."""

from __future__ import annotations

from typing import Any, Literal

from numpy.typing import ArrayLike
from sklearn.metrics import get_scorer

from sklearn_kmex._model.black_box import check_black_box
from sklearn_kmex.metrics._example_scorers import (
    distinct_examples,
    make_example_likeness_scorer,
)
from sklearn_kmex.metrics._scorer import SEMScorer
from sklearn_kmex.metrics._scorers import (
    diversity_scorer,
    fidelity,
    gap,
    transparency_scorer,
)


def sem_scorers(
    black_box: Any | Literal["embedder"] = "embedder",
    *,
    classes: ArrayLike | None = None,
    X_train: Any = None,
    y_train: ArrayLike | None = None,
) -> dict[str, Any]:
    """Return scorers for a search over prototypical self-explainable models.

    Read more in the :ref:`User Guide <scorers>`.

    Parameters
    ----------
    black_box : {"embedder"}, fitted model or None, default="embedder"
        Model to compare with: "embedder" is the whole model that was passed to
        `make_kmex`; any other model must have a `predict` that takes the same X. None
        leaves out "fidelity" and "accuracy_gap".

    classes : array-like of shape (n_outputs,), default=None
        Label of each output of the black box, in their order. None takes the labels
        that it has, and otherwise the classes of the estimator in their order, which is
        checked.

    X_train : array-like, frame, list or Dataset, default=None
        The rows that the estimator was fitted on, in the same order, to score the
        training samples that it shows. None leaves out "example_likeness" and
        "distinct_examples". In cross-validation, where each split is fitted on other
        rows, it must be None.

    y_train : array-like of shape (n_train,), default=None
        Labels of `X_train`; required with it.

    Returns
    -------
    dict of str to callable
        Scorers "accuracy", "transparency", "diversity", "fidelity", "accuracy_gap",
        "example_likeness" and "distinct_examples", each called with a fitted
        estimator, X and y. Higher is better for all of them.

    Raises
    ------
    TypeError
        If `black_box` is none of these.

    ValueError
        If only one of `X_train` and `y_train` is given.

    See Also
    --------
    transparency_scorer : Share of prototypes that decide some sample.
    diversity_scorer : How different the prototypes are from each other.
    fidelity_scorer : Share of samples with the same prediction as the black box.
    accuracy_gap_scorer : Accuracy of the model minus that of its black box.
    make_example_likeness_scorer : How much the training samples shown look like the
        samples.
    distinct_examples_scorer : Share of prototypes with a training sample of their own.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.metrics import sem_scorers
    >>> X, y = load_iris(return_X_y=True)
    >>> search = GridSearchCV(
    ...     KMExClassifier(random_state=0),
    ...     {"n_prototypes": [1, 2, 4]},
    ...     scoring=sem_scorers(black_box=None),
    ...     refit="accuracy",
    ... ).fit(X, y)
    >>> sorted(name for name in search.cv_results_ if name.startswith("mean_test"))
    ['mean_test_accuracy', 'mean_test_diversity', 'mean_test_transparency']
    """
    check_black_box(black_box, classes)
    if (X_train is None) != (y_train is None):
        missing = "X_train" if X_train is None else "y_train"
        raise ValueError(
            f"X_train and y_train must be given together; got no {missing}."
        )
    scorers = {
        "accuracy": get_scorer("accuracy"),
        "transparency": transparency_scorer,
        "diversity": diversity_scorer,
    }
    if black_box is not None:
        settings = {} if isinstance(black_box, str) else {"black_box": black_box}
        settings |= {} if classes is None else {"classes": classes}
        scorers |= {
            "fidelity": SEMScorer("fidelity_scorer", fidelity, settings),
            "accuracy_gap": SEMScorer("accuracy_gap_scorer", gap, settings),
        }
    if X_train is not None and y_train is not None:
        distinct = {"X_train": X_train}
        scorers |= {
            "example_likeness": make_example_likeness_scorer(X_train, y_train),
            "distinct_examples": SEMScorer(
                "distinct_examples_scorer", distinct_examples, distinct
            ),
        }
    return scorers

"""Explanation: predicted classes, and the most similar prototypes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._draw.explained import Evidence, examples_of, members_of
from sklearn_kmex._draw.explanation import plot_explanation
from sklearn_kmex._draw.explanation_table import explanation_table
from sklearn_kmex._draw.figures import check_figure
from sklearn_kmex._draw.pictures import make_scale
from sklearn_kmex._draw.table import Table
from sklearn_kmex.explain._records import SHARED, PictureRecords
from sklearn_kmex.utils import check_dependency


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Explanation(PictureRecords):
    """Predicted class and most similar prototypes of each sample.

    It is returned by :func:`explain`. It has a length, can be iterated over, and can be
    indexed like an array, by a number, a slice, a mask or a list of numbers; the result
    is an Explanation of these samples.

    Read more in the :ref:`User Guide <explanations>`.

    Parameters
    ----------
    sample_indices : ndarray of shape (n_samples,), dtype=intp
        Row of each sample in the X that was explained; kept when slicing.

    predictions : ndarray of shape (n_samples,)
        Predicted labels.

    scores : ndarray of shape (n_samples, n_classes)
        Class scores, in the unit of the similarities: the largest similarity to a
        prototype of the class, or the aggregation of the model. A larger score is a
        better match; it is minus infinity for a class without prototypes.

    probabilities : ndarray of shape (n_samples, n_classes) or None
        Class probabilities, if the model has them.

    accepted : ndarray of shape (n_samples,), dtype=bool, default=None
        Whether the model accepts a sample; False for rejected samples, whose
        `predictions` are those of the classifier inside. None if the model is not a
        :class:`~sklearn_kmex.RejectingClassifier` and has none inside.

    prototypes : ndarray of shape (n_samples, n_prototypes), dtype=intp
        Indices of the nearest prototypes of any class, most similar first. Ties are
        ordered by index.

    similarities : ndarray of shape (n_samples, n_prototypes)
        Similarities to these; larger is more similar.

    predicted_prototype : ndarray of shape (n_samples,), dtype=intp
        The nearest prototype of the predicted class. It is the first of `prototypes`
        if the model decides by the nearest prototype alone.

    predicted_similarity : ndarray of shape (n_samples,)
        Similarity to it.

    runner_up : ndarray of shape (n_samples,)
        Label of the class with the best score of all but the predicted class.

    runner_up_prototype : ndarray of shape (n_samples,), dtype=intp
        The nearest prototype of the runner-up.

    runner_up_similarity : ndarray of shape (n_samples,)
        Similarity to it.

    typicality : ndarray of shape (n_samples,), dtype=float64, default=None
        Share of the rows of the predicted class that are less similar to their nearest
        prototype than the sample is to its own, in [0, 1]: of 0.93, the sample is more
        similar than 93 % of these rows; near 0, it is unlike them. NaN where there are
        no rows to compare with.

    typicality_among : str or None, default=None
        "training rows", or "held-out rows" of a `RejectingClassifier`.

    margin : ndarray of shape (n_samples,)
        Score of the predicted class minus that of the runner-up, in the unit of the
        similarities. Larger is a clearer decision. It is negative only if the model
        does not predict the class with the best score.

    classes : ndarray of shape (n_classes,)
        Labels, in the order of the columns of `scores` and `probabilities`.

    prototype_classes : ndarray of shape (n_prototypes_total,)
        Label of each prototype of the model.

    prototype_rows : ndarray of shape (n_prototypes_total,), dtype=intp
        Nearest training row of the same class for each prototype; -1 if the model does
        not know it.

    samples : ndarray of shape (n_samples, ...), default=None
        The samples, if they are arrays of numbers.

    relevance : ndarray of shape (n_samples, ...) or (n_samples, n_prototypes, ...), \
            default=None
        Relevance maps, one for each sample, or one for each of its `prototypes`.

    relevance_of : str or None, default=None
        What `relevance` explains: "margin" if `explain` computed it, None if it was
        given.

    prototype_relevance : ndarray of shape (n_samples, n_prototypes, ...), default=None
        For each of `prototypes`, a map of what sets it apart from the others: positive
        where the sample is more like it than like the others.

    inputs : ndarray of shape (n_samples, ...), default=None
        What the network takes for each sample, if relevance maps have the shape of this
        and not that of the samples.

    example_prototypes : ndarray of shape (n_examples,), dtype=intp, default=None
        Prototypes whose training row is in `examples`, ascending.

    examples : ndarray of shape (n_examples, ...), default=None
        These training rows, if they are arrays of numbers.

    members : ndarray of shape (n_samples, n_members), dtype=intp, default=None
        Training rows that belong to `predicted_prototype` and are most like the
        sample, the most alike first and of equally similar ones the first row; -1
        where the prototype has fewer. None if training rows were not given.

    member_likeness : ndarray of shape (n_samples, n_members), dtype=float64, \
            default=None
        Cosine similarity of these rows to the sample, in [-1, 1], by their embeddings
        before the classifier and rounded to 10 digits. NaN where there is no row.

    member_samples : ndarray of shape (n_samples, n_members, ...), default=None
        Values of these rows, if they are arrays of numbers; zeros where there is no
        row.

    reasons : ndarray of shape (n_samples,), dtype=object, default=None
        In which columns each sample is similar to the predicted class, and in which
        not, as from :meth:`Contrast.reasons`.

    Attributes
    ----------
    prototype_labels : ndarray of shape (n_samples, n_prototypes)
        Labels of `prototypes`.

    training_rows : ndarray of shape (n_samples, n_prototypes), dtype=intp
        Training rows of `prototypes`.

    training_samples : ndarray of shape (n_samples, n_prototypes, ...) or None
        Values of these training rows, if `examples` is known.

    predicted_training_row, runner_up_training_row : ndarray of shape (n_samples,), \
            dtype=intp
        Training rows of `predicted_prototype` and of `runner_up_prototype`.

    probability : ndarray of shape (n_samples,) or None
        Probability of the predicted class, if the model has probabilities.

    See Also
    --------
    explain : Returns an Explanation.
    contrast : Why one class and not another, column by column.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.explain import explain
    >>> X, y = load_iris(return_X_y=True)
    >>> explanation = explain(KMExClassifier(2, random_state=0).fit(X, y), X)
    >>> explanation[100:]
    Explanation(n_samples=50)
    >>> explanation[3].predictions, explanation[3].runner_up
    (array([0]), array([1]))
    """

    predictions: NDArray
    scores: NDArray
    probabilities: NDArray | None = None
    accepted: NDArray[np.bool_] | None = None
    prototypes: NDArray[np.intp]
    similarities: NDArray
    predicted_prototype: NDArray[np.intp]
    predicted_similarity: NDArray
    runner_up: NDArray
    runner_up_prototype: NDArray[np.intp]
    runner_up_similarity: NDArray
    typicality: NDArray[np.float64] | None = None
    typicality_among: str | None = field(default=None, metadata=SHARED)
    margin: NDArray
    classes: NDArray = field(metadata=SHARED)
    prototype_classes: NDArray = field(metadata=SHARED)
    prototype_rows: NDArray[np.intp] = field(metadata=SHARED)
    samples: NDArray | None = None
    relevance: NDArray | None = None
    relevance_of: str | None = field(default=None, metadata=SHARED)
    prototype_relevance: NDArray | None = None
    inputs: NDArray | None = None
    example_prototypes: NDArray[np.intp] | None = field(default=None, metadata=SHARED)
    examples: NDArray | None = field(default=None, metadata=SHARED)
    members: NDArray[np.intp] | None = None
    member_likeness: NDArray[np.float64] | None = None
    member_samples: NDArray | None = None
    reasons: NDArray | None = None

    @property
    def prototype_labels(self) -> NDArray:
        """Labels of `prototypes`, (n_samples, n_prototypes)."""
        return self.prototype_classes[self.prototypes]

    @property
    def training_rows(self) -> NDArray[np.intp]:
        """Training rows of `prototypes`, (n_samples, n_prototypes)."""
        return self.prototype_rows[self.prototypes]

    @property
    def predicted_training_row(self) -> NDArray[np.intp]:
        """Training row of `predicted_prototype`, (n_samples,)."""
        return self.prototype_rows[self.predicted_prototype]

    @property
    def runner_up_training_row(self) -> NDArray[np.intp]:
        """Training row of `runner_up_prototype`, (n_samples,)."""
        return self.prototype_rows[self.runner_up_prototype]

    @property
    def training_samples(self) -> NDArray | None:
        """Values of these rows, (n_samples, n_prototypes, ...), if known."""
        return examples_of(self, self.prototypes)

    @property
    def probability(self) -> NDArray | None:
        """Probability of the predicted class, (n_samples,), if known."""
        if self.probabilities is None:
            return None
        same = self.classes == self.predictions[:, np.newaxis]
        return np.where(same, self.probabilities, 0).max(axis=1)

    def evidence(self, row: int) -> list[Evidence]:
        """List the prototypes that explain a sample, most similar first.

        Parameters
        ----------
        row : int
            Position of the sample.

        Returns
        -------
        list of tuple
            `(role, prototype, prototype_label, similarity, training_row)` of each of
            `prototypes`, and of the nearest prototypes of the predicted class and of
            the runner-up. The role of these two is "predicted" and "runner-up", that
            of the others "".

        Raises
        ------
        IndexError
            If there is no such sample.
        """
        is_int = isinstance(row, int | np.integer)
        if not is_int or not -len(self) <= row < len(self):
            raise IndexError(
                f"row must be the position of one of {len(self)} samples, counted from "
                f"0; got {row!r}."
            )
        shown = dict(zip(self.prototypes[row], self.similarities[row], strict=True))
        roles = {}
        for role in ("predicted", "runner_up"):
            prototype = getattr(self, f"{role}_prototype")[row]
            shown.setdefault(prototype, getattr(self, f"{role}_similarity")[row])
            roles[prototype] = role.replace("_", "-")
        return [
            Evidence(
                roles.get(k, ""),
                int(k),
                self.prototype_classes[k],
                float(similarity),
                int(self.prototype_rows[k]),
            )
            for k, similarity in sorted(shown.items(), key=lambda item: -item[1])
        ]

    def frame(self) -> Any:
        """Return the evidence as a pandas DataFrame, a row for each prototype shown.

        Returns
        -------
        pandas.DataFrame
            Columns `sample`, `prediction`, `probability` (if known), `accepted` (if
            known), `typicality` (if known), `runner_up`, `margin`, `reasons` (if
            known), `role`, `prototype`, `prototype_label`, `similarity` and
            `training_row`; for each sample the most similar prototype first. The
            nearest prototypes of the predicted class and of the runner-up are always
            included. If `members` are known, each of them is a row of the role
            "member" below its prototype, with its own `training_row`, and the column
            `likeness` holds its likeness; it is NaN in rows of prototypes.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        pandas = check_dependency("pandas", caller="frame", extra="all")
        shown = [self._shown(row) for row in range(len(self))]
        counts = [len(some) for some in shown]
        of_samples = {
            "sample": self.sample_indices,
            "prediction": self.predictions,
            "probability": self.probability,
            "accepted": self.accepted,
            "typicality": self.typicality if self.typicality_among else None,
            "runner_up": self.runner_up,
            "margin": self.margin,
            "reasons": self.reasons,
        }
        columns = {
            name: np.repeat(values, counts)
            for name, values in of_samples.items()
            if values is not None
        }
        flat = [one for some in shown for one in some]
        found = pandas.DataFrame(flat, columns=[*Evidence._fields, "likeness"])
        if self.members is None:
            del found["likeness"]
        return pandas.concat([pandas.DataFrame(columns), found], axis=1)

    def _shown(self, row: int) -> list[tuple]:
        """List the evidence with members, and the likeness of these."""
        shown: list[tuple] = []
        for one in self.evidence(row):
            shown.append((*one, np.nan))
            members = members_of(self, row) if one.role == "predicted" else []
            shown += [
                (*one._replace(role="member", training_row=number), likeness)
                for number, likeness in members
            ]
        return shown

    def plot(
        self,
        *,
        image_shape: tuple[int, ...] | None = None,
        vmin: float | None = None,
        vmax: float | None = None,
        max_samples: int = 10,
        figure: Any = None,
    ) -> NDArray:
        """Draw each sample and the prototypes that it is similar to.

        Samples that are pictures are drawn with the training examples of their
        prototypes and with the members most like them, if `explain` got `X_train`, and
        with relevance maps. For other samples, and for prototypes without examples, the
        similarities are drawn as bars, and members are listed by number. A picture is a
        sample of shape (h, w), (h, w, 1), (h, w, 3) or (h, w, 4), or (1, h, w) or
        (3, h, w).

        Parameters
        ----------
        image_shape : tuple of int, default=None
            Shape of the pictures that are stored as flat samples, one of those above.
            None does not reshape samples.

        vmin, vmax : float, default=None
            Values drawn black and white, the same for each color. None is 0 and 255 for
            uint8, 0 and 1 for booleans, and for any other dtype the smallest and
            largest value in all samples and training examples.

        max_samples : int, default=10
            Largest number of samples to draw, the first ones; slice to draw others.

        figure : matplotlib.figure.Figure or SubFigure, default=None
            Where to draw. None makes a new one with pyplot.

        Returns
        -------
        ndarray of shape (n_rows, n_columns), dtype=object
            The matplotlib Axes; those without content are off.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.

        ValueError
            If `image_shape` does not fit the samples, `vmin` or `vmax` is no number, or
            there is no sample to draw.

        TypeError
            If `figure` is not a figure.
        """
        pyplot = check_dependency(
            "matplotlib.pyplot", caller="Explanation.plot", extra="plot"
        )
        check_figure(figure)
        scale = make_scale(image_shape, vmin, vmax)
        return plot_explanation(pyplot, self, scale, max_samples, figure)

    def _table(self, n_rows: int, image_shape: tuple[int, ...] | None = None) -> Table:
        return explanation_table(self, n_rows, image_shape)

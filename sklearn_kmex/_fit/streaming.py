"""partial_fit: prototypes of a stream, one batch at a time."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.metaestimators import available_if

from sklearn_kmex._base import unchanged_on_error
from sklearn_kmex._compat import _fit_context
from sklearn_kmex._data.arrays import beside, to_numpy, widest
from sklearn_kmex._data.rows import Rows
from sklearn_kmex._fit.prototypes import ClassPrototypes
from sklearn_kmex._fit.temperature import Fold, fit_temperature, held_out_scores
from sklearn_kmex._fit.validation import (
    check_rows,
    check_stream_classes,
    prototypes_per_class,
    rows_of_classes,
)
from sklearn_kmex._model.predictor import PrototypePredictor

# Attributes that lie where X is.
FITTED_ARRAYS = (
    "classes_",
    "class_prior_",
    "inertia_",
    "n_prototypes_",
    "prototypes_",
    "prototype_classes_",
    "prototype_counts_",
    "prototype_indices_",
    "_member_means",
    "_nearest_rows",
)


def counts_are_given(classifier: Any) -> bool:
    """Whether a stream can start; counts are chosen by all rows."""
    if classifier._chooses_counts():
        raise AttributeError(
            f"{type(classifier).__name__} must be given n_prototypes as whole numbers "
            "for partial_fit; let fit or KMExClassifierCV choose them before."
        )
    return True


class PrototypeStream(PrototypePredictor):
    """Learn in batches, with the `_learn` of the classifier that inherits this."""

    edit_log_: list[dict[str, Any]]

    @available_if(counts_are_given)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Take in a batch of rows, as one part of a stream.

        The members of each prototype known so far count as one row, their mean, of
        their weight, and are clustered together with the batch [1]_. Memory is
        bounded by the batch and the prototypes; `max_samples` is not used. Row
        numbers in `prototype_indices_` count the rows of all batches, and are taken
        among the batch and the nearest rows known before it. With
        `temperature="auto"`, the temperatures of the batches are averaged by their
        rows, in logarithms. Empirical priors are those of all batches, and
        `merge_threshold` merges prototypes of classes with rows in the batch.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows of the batch.

        y : array-like of shape (n_samples,)
            Class labels of the batch.

        classes : array-like of shape (n_classes,), default=None
            All labels that the stream will hold. A class without rows so far has
            no prototypes and is not predicted. None, in the first call, is the keys
            of `n_prototypes` where that is a dict; otherwise labels are added as
            they appear.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, as in `fit`.

        Returns
        -------
        KMExClassifier
            The updated classifier.

        Raises
        ------
        ValueError
            If an input or a parameter cannot be used, or a label is not in
            `classes`; the estimator is then as it was before the call.

        References
        ----------
        .. [1] S. Guha, A. Meyerson, N. Mishra, R. Motwani and L. O'Callaghan,
           "Clustering data streams: theory and practice", IEEE Transactions on
           Knowledge and Data Engineering 15(3), 2003.
        """
        with unchanged_on_error(self):
            first = not self.__sklearn_is_fitted__()
            if not first:
                self._check_namespace(X, "partial_fit")
            X, y, weights = check_rows(self, X, y, sample_weight, reset=first)
            if first:
                self._start_anew()
                if classes is None and isinstance(self.n_prototypes, Mapping):
                    classes = list(self.n_prototypes)
            known = {} if first else self._known_prototypes()
            old = None if first else to_numpy(self.classes_)
            labels = check_stream_classes(
                y, to_numpy(classes), old, self._classes_given
            )
            self._classes_given |= classes is not None
            groups = rows_of_classes(y, weights, labels)
            counts = prototypes_per_class(self.n_prototypes, labels)
            paths = [[count] for count in counts]
            before = [known.get(c) for c in labels]
            self._learn(X, weights, labels, groups, before, paths)
        return self

    def _start_anew(self) -> None:
        """Start anew: no rows seen, no labels named, no temperature, no edits."""
        self.n_samples_seen_, self._temperature_rows = 0, 0.0
        self._classes_given, self.edit_log_ = False, []

    def _set_prototypes(
        self, classes: NDArray, learned: list[ClassPrototypes | None]
    ) -> None:
        found = [prototypes for prototypes in learned if prototypes is not None]
        self.classes_ = classes
        self.n_prototypes_ = np.array([len(p.counts) if p else 0 for p in learned])
        self.prototype_classes_ = np.repeat(classes, self.n_prototypes_)
        self.prototypes_ = np.concatenate([p.vectors for p in found])
        self.prototype_counts_ = np.concatenate([p.counts for p in found])
        self.prototype_indices_ = np.concatenate([p.nearest.numbers for p in found])
        self._member_means = np.concatenate([p.means for p in found])
        self._nearest_rows = np.concatenate([p.nearest.values for p in found])
        self.inertia_ = np.array([p.inertia if p else 0.0 for p in learned])
        self.n_iter_ = max(p.n_iter for p in found)

    def _settle(self, X: Any) -> None:
        """Put fitted arrays of numbers where X is: labels may be something else."""
        for name in FITTED_ARRAYS:
            array = getattr(self, name)
            if array.dtype.kind in "biuf":
                dtype = widest(X) if array.dtype == np.float64 else None
                setattr(self, name, beside(array, X, dtype))

    def _set_temperature(self, X: Any, folds: list[list[Fold]]) -> None:
        if self.temperature != "auto":
            self.temperature_ = float(self.temperature)
            return
        scores, codes, weights = held_out_scores(
            X, self.n_samples_seen_, [f for f in folds if f], self._class_scores
        )
        new, n_rows = fit_temperature(scores, codes, weights, self._temperature_rows)
        old = getattr(self, "temperature_", 1.0)
        total = self._temperature_rows + n_rows
        share = n_rows / total if total else 1.0
        self.temperature_ = float(old ** (1 - share) * new**share)
        self._temperature_rows = total

    def _known_prototypes(self) -> dict[Any, ClassPrototypes]:
        """Prototypes of each class that has some, as `_set_prototypes` left them."""
        fitted = {name: to_numpy(getattr(self, name)) for name in FITTED_ARRAYS}
        ends = np.cumsum(fitted["n_prototypes_"])
        known = {}
        for code in np.flatnonzero(fitted["n_prototypes_"]):
            own = slice(ends[code] - fitted["n_prototypes_"][code], ends[code])
            counts = fitted["prototype_counts_"][own]
            known[fitted["classes_"][code]] = ClassPrototypes(
                fitted["prototypes_"][own],
                fitted["_member_means"][own],
                counts,
                Rows(
                    fitted["_nearest_rows"][own],
                    fitted["prototype_indices_"][own],
                    counts,
                ),
                fitted["inertia_"][code],
                self.n_iter_,
            )
        return known

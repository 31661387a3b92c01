"""partial_fit: prototypes learned from a stream, one batch at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.metaestimators import available_if

from sklearn_kmex._base import new_state
from sklearn_kmex._compat import _fit_context
from sklearn_kmex._data.arrays import to_numpy
from sklearn_kmex._data.rows import Rows, split_by_class
from sklearn_kmex._fit.prototypes import ClassPrototypes
from sklearn_kmex._fit.steps import FITTED_ARRAYS, FitSteps
from sklearn_kmex._fit.validation import (
    check_rows,
    check_scale,
    check_stream_classes,
    prototypes_per_class,
)
from sklearn_kmex._model.metric import preparation
from sklearn_kmex._model.rule import rule_of


def _counts_are_given(classifier: Any) -> bool:
    """Return True, or raise an error if the counts are chosen from all rows."""
    if classifier._needs_all_rows():
        raise AttributeError(
            f"{type(classifier).__name__} has no partial_fit if the numbers of "
            "prototypes, or how they decide, are chosen from all rows. Use a "
            "KMExClassifier, and give it n_prototypes as whole numbers and no 'auto'."
        )
    return True


class PrototypeStream(FitSteps):
    """Adds `partial_fit` to the `KMExClassifier`, which has the steps of a fit."""

    edit_log_: list[dict[str, Any]]

    @available_if(_counts_are_given)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Update the prototypes with one batch of a stream.

        The members of each prototype so far are replaced by their mean, with their
        weight, and the means are clustered together with the rows of the batch [1]_.
        Memory is bounded by the batch and the prototypes; `max_samples` is not used.
        Row numbers in `prototype_indices_` count the rows of all batches; the nearest
        row is searched among the batch and the nearest rows before it. With
        `temperature="auto"`, the temperature is the geometric mean of those of the
        batches, weighted by their numbers of rows. Weights are those of all
        batches, and `merge_threshold` merges prototypes of classes with rows in the
        batch.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows of the batch.

        y : array-like of shape (n_samples,)
            Class labels of the batch.

        classes : array-like of shape (n_classes,), default=None
            All labels of the stream. A class without rows so far has no prototypes
            and is not predicted. If None in the first call, the keys of `n_prototypes`
            are used if it is a dict; otherwise labels are added as they appear.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, as in `fit`.

        Returns
        -------
        KMExClassifier
            The updated classifier.

        Raises
        ------
        ValueError
            If the input or a parameter is invalid, or a label is not in `classes`; the
            estimator is then unchanged.

        References
        ----------
        .. [1] S. Guha, A. Meyerson, N. Mishra, R. Motwani and L. O'Callaghan,
           "Clustering data streams: theory and practice", IEEE Transactions on
           Knowledge and Data Engineering 15(3), 2003.
        """
        with new_state(self) as new:
            first = not new.__sklearn_is_fitted__()
            if not first:
                new._check_namespace(X, "partial_fit")
            X, y, weights = check_rows(new, X, y, sample_weight, reset=first)
            if first:
                new._start_anew()
                if classes is None and isinstance(self.n_prototypes, Mapping):
                    classes = list(self.n_prototypes)
            known = {} if first else new._known_prototypes()
            old = None if first else to_numpy(new.classes_)
            classes = to_numpy(classes)
            labels = check_stream_classes(y, classes, old, new._classes_given)
            new._classes_given |= classes is not None
            counts = prototypes_per_class(self.n_prototypes, labels)
            training = split_by_class(
                *(X, y, weights, labels),
                first_row=new.n_samples_seen_,
                n_jobs=self.n_jobs,
            )
            before = [known.get(label) for label in labels]
            new._set_rule(X)
            training = training._replace(prepare=preparation(new.metric_))
            plans = new._plans([[count] for count in counts], before)
            prototypes, folds = new._fit_classes(training, plans)
            new._set_prototypes(labels, prototypes)
            metrics = new._set_metric(training, folds, before)
            new._set_temperature(training, folds, metrics)
            new._settle(X)
            check_scale(rule_of(new))
        return self

    def _start_anew(self) -> None:
        """Forget earlier batches, edits and choices."""
        for name in ("cv_results_", "best_index_", "best_params_", "_scatter"):
            self.__dict__.pop(name, None)
        self.n_samples_seen_, self._temperature_rows = 0, 0.0
        self._classes_given, self.edit_log_ = False, []

    def _known_prototypes(self) -> dict[Any, ClassPrototypes]:
        """Read the prototypes of each class from the fitted attributes."""
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

"""Prototypical models that are not KMEx."""

import numpy as np
from scipy.spatial.distance import cdist


class Prototypes:
    """Nothing but the protocol; similarity is minus the distance."""

    def __init__(self, prototypes, labels, classes=None):
        self.prototypes_ = np.asarray(prototypes, dtype=float).reshape(len(labels), -1)
        self.prototype_classes_ = np.asarray(labels)
        self.classes_ = np.unique(labels) if classes is None else np.asarray(classes)

    def transform(self, X):
        return -cdist(np.asarray(X, dtype=float), self.prototypes_)


class Stubborn(Prototypes):
    """Predicts the same class whatever the prototypes say."""

    def predict(self, X):
        return np.repeat(self.classes_[:1], len(X))

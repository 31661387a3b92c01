"""
Comparison with nearest centroids and neighbors
===============================================

`NearestCentroid` keeps one vector for each class, and `KNeighborsClassifier` keeps all
training samples. KMEx lies between the two: it keeps few enough prototypes to be read,
and enough to represent classes with several modes.
"""

# %%
# Plot the cross-validated accuracy against the number of vectors kept.
import warnings
from functools import partial
from timeit import repeat

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_validate
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

from sklearn_kmex import KMExClassifier

# Some pixels are white in all images of a digit, for which NearestCentroid gives a
# warning.
warnings.filterwarnings("ignore", message="self.within_class_std_dev_")

X, y = load_digits(return_X_y=True)
counts = [1, 2, 3, 5, 8, 12, 20, 30]
kmex = [cross_validate(KMExClassifier(k, random_state=0), X, y) for k in counts]
centroid = cross_validate(NearestCentroid(), X, y)
neighbor = cross_validate(KNeighborsClassifier(1), X, y)

kept = [10 * k for k in counts]
n_train = round(0.8 * len(y))
scores = [result["test_score"] for result in kmex]
fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
mean = [score.mean() for score in scores]
error = [score.std() / len(score) ** 0.5 for score in scores]
ax.errorbar(kept, mean, error, marker="o", color="#3f90da", label="KMExClassifier")
peers = {
    "NearestCentroid": (10, centroid, "s", "#bd1f01"),
    "1 nearest neighbour": (n_train, neighbor, "D", "#717581"),
}
for name, (vectors, result, marker, color) in peers.items():
    accuracy = result["test_score"].mean()
    ax.plot(vectors, accuracy, marker, ms=13, fillstyle="none", color=color, label=name)
ax.set(
    xscale="log",
    xticks=(ticks := [10, 30, 100, 300, 1000]),
    xticklabels=ticks,
    xlabel="vectors kept",
    ylabel="accuracy, 5 folds",
    title="Handwritten digits; bars are one standard error",
)
ax.legend(loc="lower right")
plt.show()

# %%
# The same results as a table. With one prototype for each class, KMEx equals
# NearestCentroid. The time is that of predicting all digits, the best of ten runs,
# relative to the nearest neighbor. The ratio varies between runs. With a few hundred
# vectors, little time is saved.
models = {"NearestCentroid": (10, centroid, NearestCentroid())}
for k, result in zip(counts, kmex, strict=True):
    model = KMExClassifier(k, random_state=0)
    models[f"KMEx, {k} for each class"] = (10 * k, result, model)
models["1 nearest neighbour"] = (n_train, neighbor, KNeighborsClassifier(1))

print(f"{'model':24}{'vectors':>8}{'accuracy':>10}{'time':>8}")
times = {
    name: min(repeat(partial(model.fit(X, y).predict, X), number=1, repeat=10))
    for name, (*_, model) in models.items()
}
for name, (vectors, result, _) in models.items():
    time = times[name] / times["1 nearest neighbour"]
    print(f"{name:24}{vectors:8}{result['test_score'].mean():10.3f}{time:8.2f}")

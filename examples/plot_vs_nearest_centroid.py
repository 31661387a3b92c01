"""
Between one centroid and all neighbours
=======================================

`NearestCentroid` keeps one vector for each class, `KNeighborsClassifier` keeps every
training row. Prototypes lie between: few enough to be read, enough to follow a class
with several forms.
"""

# %%
# Accuracy on held-out digits against the number of vectors kept.
import warnings

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

from sklearn_kmex import KMExClassifier

# Some pixels are white in all images of a digit, which NearestCentroid remarks on.
warnings.filterwarnings("ignore", message="self.within_class_std_dev_")

X, y = load_digits(return_X_y=True)
counts = [1, 2, 3, 5, 8, 12, 20, 30]
scores = [cross_val_score(KMExClassifier(k, random_state=0), X, y) for k in counts]
centroid = cross_val_score(NearestCentroid(), X, y)
neighbor = cross_val_score(KNeighborsClassifier(1), X, y)

kept = [10 * k for k in counts]
fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
mean = [score.mean() for score in scores]
error = [score.std() / len(score) ** 0.5 for score in scores]
ax.errorbar(kept, mean, error, marker="o", color="#3f90da", label="KMExClassifier")
ax.plot(10, centroid.mean(), "s", color="#bd1f01", label="NearestCentroid")
ax.plot(
    0.8 * len(y), neighbor.mean(), "D", color="#717581", label="1 nearest neighbour"
)
ax.set(
    xscale="log",
    xlabel="vectors kept",
    ylabel="accuracy, 5 folds",
    title="Handwritten digits; bars are one standard error",
)
ax.legend(loc="lower right")
plt.show()

# %%
# The same as a table.
print(f"{'model':24}{'vectors':>8}{'accuracy':>10}")
print(f"{'NearestCentroid':24}{10:8}{centroid.mean():10.3f}")
for k, score in zip(counts, scores, strict=True):
    print(f"{f'KMEx, {k} for each class':24}{10 * k:8}{score.mean():10.3f}")
print(f"{'1 nearest neighbour':24}{round(0.8 * len(y)):8}{neighbor.mean():10.3f}")

"""
Refusing predictions
====================

A model that knows the digits 0 to 7 is given all ten. It refuses images that are unlike
its prototypes, or that it is not certain about. The plot shows how this affects the
accuracy.
"""

# %%
# Split into samples to fit the model, held-out samples to compute thresholds, and test
# samples.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

from sklearn_kmex import KMExClassifier, RejectingClassifier
from sklearn_kmex.inspection import CoverageDisplay

X, y = load_digits(return_X_y=True)
X_known, y_known, X_never = X[y < 8], y[y < 8], X[y >= 8]
X_fit, X_rest, y_fit, y_rest = train_test_split(
    X_known, y_known, test_size=0.6, stratify=y_known, random_state=0
)
X_held, X_test, y_held, y_test = train_test_split(
    X_rest, y_rest, test_size=0.5, stratify=y_rest, random_state=0
)
psem = KMExClassifier(3, random_state=0).fit(X_fit, y_fit)

# %%
# At most one in ten known samples is refused, by either score. Here, probability also
# refuses more of the unknown digits: 8 and 9 share strokes with several other digits
# and lie between them. The user guide shows data for which similarity is better.
print("method       known refused  8 and 9 refused  accuracy on the rest")
for method in ("similarity", "probability"):
    careful = RejectingClassifier(FrozenEstimator(psem), method=method)
    careful.fit(X_held, y_held)
    answered = careful.accept(X_test)
    right = careful.predict(X_test)[answered] == y_test[answered]
    never = np.mean(~careful.accept(X_never))
    print(f"{method:12}{1 - answered.mean():14.1%}{never:17.1%}{right.mean():22.1%}")

# %%
# Typicality tells how unusual a sample is among known samples of its predicted class.
# Plot the most and the least unusual of the unknown digits.
careful = RejectingClassifier(FrozenEstimator(psem)).fit(X_held, y_held)
typicality = careful.typicality(X_never)
order = np.argsort(typicality, kind="stable")
fig = plt.figure(figsize=(9, 4), layout="constrained")
left, right = fig.subfigures(1, 2, width_ratios=[1.2, 1])
for ax, k in zip(left.subplots(2, 5).flat, [*order[:5], *order[-5:]], strict=True):
    ax.imshow(X_never[k].reshape(8, 8), cmap="gray_r")
    ax.set_title(f"{psem.predict(X_never[[k]])[0]}? {typicality[k]:.2f}", fontsize=9)
    ax.axis("off")
left.suptitle("unknown digits, and their typicality", fontsize=10)
CoverageDisplay.from_estimator(psem, X_test, y_test, ax=right.subplots())
right.suptitle("known digits", fontsize=10)
plt.show()

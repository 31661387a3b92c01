"""
When not to answer
==================

A model that knows the digits 0 to 7 is shown all ten. It refuses what is unlike its
prototypes, and what it is not sure of; the picture shows what that is worth.
"""

# %%
# Rows to fit on, known rows that thresholds come from, and rows to come.
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
# At most one in ten known rows is refused, by either score. Here probability refuses
# more of the digits never seen, too: 8 and 9 share strokes with several of the others
# and lie between them. The user guide has data where similarity tells more.
print("method       known refused  8 and 9 refused  accuracy on the rest")
for method in ("similarity", "probability"):
    careful = RejectingClassifier(FrozenEstimator(psem), method=method)
    careful.fit(X_held, y_held)
    answered = careful.accept(X_test)
    right = careful.predict(X_test)[answered] == y_test[answered]
    never = np.mean(~careful.accept(X_never))
    print(f"{method:12}{1 - answered.mean():14.1%}{never:17.1%}{right.mean():22.1%}")

# %%
# Typicality says how unusual a row is among known rows of the class it is given: below,
# the digits never seen that are most and least unusual.
careful = RejectingClassifier(FrozenEstimator(psem)).fit(X_held, y_held)
typicality = careful.typicality(X_never)
order = np.argsort(typicality, kind="stable")
fig = plt.figure(figsize=(9, 4), layout="constrained")
left, right = fig.subfigures(1, 2, width_ratios=[1.2, 1])
for ax, k in zip(left.subplots(2, 5).flat, [*order[:5], *order[-5:]], strict=True):
    ax.imshow(X_never[k].reshape(8, 8), cmap="gray_r")
    ax.set_title(f"{psem.predict(X_never[[k]])[0]}? {typicality[k]:.2f}", fontsize=9)
    ax.axis("off")
left.suptitle("digits never seen, and their typicality", fontsize=10)
CoverageDisplay.from_estimator(psem, X_test, y_test, ax=right.subplots())
right.suptitle("digits that are known", fontsize=10)
plt.show()

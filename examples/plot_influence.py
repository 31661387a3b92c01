"""
Influence of training rows, and forgetting them
===============================================

Which training rows support a decision, and what would the model be without them? Some
training images have a wrong label here. The rows that support wrong decisions lead to
them, and the model forgets them without a new fit.
"""

# %%
# Forty sevens are labeled as ones.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from sklearn_kmex import KMExClassifier
from sklearn_kmex.edit import forget_rows
from sklearn_kmex.explain import influence

X, truth = load_digits(return_X_y=True)
X_train, X_test, y_test = X[:1200], X[1200:], truth[1200:]
y_train = truth[:1200].copy()
mislabeled = np.flatnonzero(y_train == 7)[:40]
y_train[mislabeled] = 1
psem = KMExClassifier(10, random_state=0).fit(X_train, y_train)
print(f"accuracy {psem.score(X_test, y_test):.3f}")

# %%
# Sevens that are predicted to be ones: which training rows support this decision? An
# effect is the margin without the row minus the margin.
wrong = X_test[(psem.predict(X_test) == 1) & (y_test == 7)]
found = influence(psem, wrong, X_train, y_train, n_rows=5)
print(found[:1])

# %%
# The first sample, and its supporting rows with their effects. They are sevens.
fig, axes = plt.subplots(1, 6, figsize=(8, 2), layout="constrained")
rows, effects = found.supporting_rows[0], found.supporting_effects[0]
titles = ["sample", *[f"row {r}\n{e:+.2g}" for r, e in zip(rows, effects, strict=True)]]
for ax, image, title in zip(axes, [wrong[0], *X_train[rows]], titles, strict=True):
    ax.imshow(image.reshape(8, 8), cmap="gray_r")
    ax.set_title(title, fontsize=9)
    ax.axis("off")

# %%
# A person looks at the rows that support these decisions, and finds those with a wrong
# label.
suspects = np.unique(found.supporting_rows)
confirmed = suspects[np.isin(suspects, mislabeled)]
print(f"{len(confirmed)} of {len(suspects)} rows have a wrong label")

# %%
# The model forgets them. Prototypes move to the means of their other members, and
# k-means goes on from there with the training rows that remain. This takes
# milliseconds.
kept = np.setdiff1d(np.arange(len(X_train)), confirmed)
edited = forget_rows(
    psem,
    X_train[confirmed],
    y_train[confirmed],
    X_train=X_train[kept],
    y_train=y_train[kept],
    reason="sevens labeled as ones",
)
entry = edited.edit_log_[-1]
print(entry["what"], entry["n_rows"], entry["reason"])
print(f"accuracy {edited.score(X_test, y_test):.3f}")

# %%
# The log says how many rows were forgotten, when and why. It has neither the rows nor
# their numbers, and the arrays of the model do not contain them any more.

"""
Editing prototypes
==================

In this data set of handwritten digits, most sevens are labeled as ones. The prototypes
show it. A person moves the prototypes that show sevens, merges two that look alike, and
drops one. Each edit returns a new model with an entry in its log.
"""

# %%
# Fit a model to the wrong labels, and plot the prototypes of the ones.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from sklearn_kmex import KMExClassifier
from sklearn_kmex.edit import drop_prototypes, merge_prototypes, relabel_prototypes

X, truth = load_digits(return_X_y=True)
X_train, X_val, y_val = X[:1000], X[1000:1400], truth[1000:1400]
X_test, y_test = X[1400:], truth[1400:]
y_train = truth[:1000].copy()
y_train[np.flatnonzero(y_train == 7)[10:]] = 1
psem = KMExClassifier(6, random_state=0).fit(X_train, y_train)


def show(axes, model, label):
    for ax in axes:
        ax.axis("off")
    for ax, k in zip(
        axes, np.flatnonzero(model.prototype_classes_ == label), strict=False
    ):
        ax.imshow(model.prototypes_[k].reshape(8, 8), cmap="gray_r")
        ax.set_title(f"{k}", fontsize=9)


fig, axes = plt.subplots(1, 6, figsize=(7, 1.5), layout="constrained")
show(axes, psem, 1)
fig.suptitle("prototypes of 1")

# %%
# Move the prototypes that show sevens to class 7. The numbers of prototypes change with
# an edit; `ids_after` holds the new ones.
validation = {"X_val": X_val, "y_val": y_val}
shows_seven = truth[psem.prototype_indices_] == 7
sevens = np.flatnonzero((psem.prototype_classes_ == 1) & shows_seven)
edited = relabel_prototypes(psem, sevens, 7, reason="these are sevens", **validation)
print(f"{sevens.tolist()} are now {edited.edit_log_[-1]['ids_after']}")

# %%
# Among the sevens, merge the two prototypes that are nearest to each other, and drop
# the one with the fewest members.
own = np.flatnonzero(edited.prototype_classes_ == 7)
similar = edited.transform(edited.prototypes_[own])[:, own]
np.fill_diagonal(similar, -np.inf)
pair = own[list(np.unravel_index(similar.argmax(), similar.shape))]
edited = merge_prototypes(edited, pair, reason="the same stroke", **validation)
own = np.flatnonzero(edited.prototype_classes_ == 7)
fewest = own[edited.prototype_counts_[own].argmin()]
edited = drop_prototypes(edited, fewest, reason="too few to judge", **validation)

# %%
# The log holds each edit and its effect on the validation samples. The last lines show
# the accuracy on test samples, which were not used to choose the edits.
for entry in edited.edit_log_:
    before, after = entry["accuracy_before"], entry["accuracy_after"]
    print(f"{entry['what']:20}{entry['reason']:20}{before:.3f} -> {after:.3f}")
print(f"on other rows: {psem.score(X_test, y_test):.3f}", end=" -> ")
print(f"{edited.score(X_test, y_test):.3f}")

# %%
# Plot the prototypes of ones and sevens before and after the edits.
fig = plt.figure(figsize=(9, 4.2), layout="constrained")
rows = fig.subfigures(4, 1)
parts = [("before, 1", psem, 1), ("before, 7", psem, 7)]
parts += [("after, 1", edited, 1), ("after, 7", edited, 7)]
for part, (title, model, label) in zip(rows, parts, strict=True):
    part.supylabel(title, fontsize=9, rotation=0)
    show(part.subplots(1, 9), model, label)
plt.show()

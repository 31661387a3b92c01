"""
Finding wrong labels
====================

One in fifty of these handwritten digits has a wrong label. A model is fitted to the
labels as they are. `audit` then ranks the samples that resemble another class more than
their own.
"""

# %%
# Change some labels, and train a network on them. It stops early, because a network
# that is trained for long memorizes the wrong labels.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from sklearn_kmex import make_kmex
from sklearn_kmex.metrics import audit

X, truth = load_digits(return_X_y=True)
X = X / 16
rng = np.random.RandomState(0)
wrong = rng.choice(len(truth), len(truth) // 50, replace=False)
y = truth.copy()
y[wrong] = (y[wrong] + rng.randint(1, 10, len(wrong))) % 10

network = MLPClassifier(64, early_stopping=True, random_state=0).fit(X, y)
psem = make_kmex(network, n_prototypes=5, random_state=0).fit(X, y)
found = audit(psem, X, y)

# %%
# How many of the wrong labels are among the most suspect samples?
for share in (0.02, 0.03, 0.05):
    top = found.suspect_rows[: int(share * len(y))]
    print(f"the top {share:4.0%} contain {np.isin(wrong, top).mean():4.0%} of them")

# %%
# The audit also lists suspicious prototypes.
print(f"outvoted prototypes:       {found.outvoted_prototypes}")
print(f"impure prototypes:         {found.impure_prototypes.prototype}")
print(f"shadowed prototypes:       {found.shadowed_prototypes}")
print(f"near-duplicate prototypes: {len(found.duplicate_prototypes.prototype)} pairs")
print(found.frame().head())

# %%
# With the default threshold, 0.1 of the distance between classes, there are no
# near-duplicates here. With more prototypes and larger thresholds there are. Merging
# them leaves fewer prototypes to read and hardly changes the predictions.
reference = make_kmex(network, n_prototypes=20, random_state=0).fit(X, y)
print("merge_threshold  prototypes  unchanged predictions")
for threshold in (0.1, 0.6, 0.7, 0.8):
    merged = make_kmex(
        network, n_prototypes=20, merge_threshold=threshold, random_state=0
    ).fit(X, y)
    stay = np.mean(merged.predict(X) == reference.predict(X))
    print(f"{threshold:15}{len(merged['kmex'].prototypes_):12}{stay:19.1%}")

# %%
# Plot the most suspect samples, with their label and the class they resemble. Labels in
# red are wrong; those in black are correct, but the images are unusual.
fig, axes = plt.subplots(4, 10, figsize=(9, 4.6), layout="constrained")
top = zip(axes.flat, found.suspect_rows, found.suggested_labels, strict=False)
for ax, row, suggested in top:
    ax.imshow(X[row].reshape(8, 8), cmap="gray_r")
    color = "tab:red" if row in wrong else "black"
    ax.set_title(f"{y[row]}, like {suggested}", color=color, fontsize=9)
    ax.set_axis_off()
fig.suptitle("Most suspect labels, row by row")
plt.show()

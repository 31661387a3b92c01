"""
New samples that differ
=======================

A model of handwritten digits was evaluated on test samples. Do new samples, without
labels, still look like these? Three kinds of new samples are compared: more of the
same, one digit that became frequent, and a camera that became noisy.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklearn_kmex import KMExClassifier
from sklearn_kmex.metrics import drift

X, y = load_digits(return_X_y=True)
X_train, X_rest, y_train, y_rest = train_test_split(
    X, y, train_size=700, stratify=y, random_state=0
)
X_test, X_new, _, y_new = train_test_split(
    X_rest, y_rest, test_size=0.5, stratify=y_rest, random_state=0
)
psem = KMExClassifier(3, random_state=0).fit(X_train, y_train)

# %%
# The reference is the test set, which the model was not fitted to. It would be more
# similar to its training samples than to any new ones.
more = np.flatnonzero(y_new == 7)
noise = np.random.RandomState(0).normal(0, 3, X_new.shape)
batches = {
    "more of the same": X_new,
    "three times as many sevens": np.concatenate([X_new, X_new[more], X_new[more]]),
    "a noisy camera": np.clip(X_new + noise, 0, 16),
}
results = {name: drift(psem, batch, X_test) for name, batch in batches.items()}
for name, found in results.items():
    differs = found.tests.what[found.tests.differs].tolist()
    print(f"{name:26} {'differs in ' + ', '.join(differs) if differs else 'no drift'}")

# %%
# Which prototypes decide a larger or smaller share? The intervals hold together.
found = results["three times as many sevens"]
table = found.prototypes
fig, ax = plt.subplots(figsize=(9, 3.5), layout="constrained")
changed = np.isin(table.prototype, [*found.gained, *found.lost])
for some, color in ((~changed, "tab:gray"), (changed, "tab:red")):
    k = table.prototype[some]
    ax.vlines(k, 100 * table.low[some], 100 * table.high[some], color=color, lw=3)
    ax.plot(k, 100 * table.difference[some], "o", color=color)
ax.axhline(0, color="black", lw=0.8)
labels = [f"{label}" for label in table.prototype_class]
ax.set_xticks(table.prototype, labels)
ax.set(xlabel="class of the prototype", ylabel="change of its share, points")
plt.show()

# %%
# New samples that are least similar to any prototype.
found = results["a noisy camera"]
fig, axes = plt.subplots(1, 5, figsize=(8, 2), layout="constrained")
for ax, row in zip(axes, found.unfamiliar, strict=True):
    ax.imshow(batches["a noisy camera"][row].reshape(8, 8), cmap="gray_r")
    ax.set_axis_off()
fig.suptitle("Least similar to any prototype")
plt.show()

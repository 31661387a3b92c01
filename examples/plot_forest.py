"""
Explaining a random forest by similar cases
===========================================

A forest assigns each sample to one leaf of each tree. With `leaves="identity"`, samples
are similar if many trees assign them to the same leaf. `make_kmex` finds prototypes in
this space, here patients, and the most similar one decides.
"""

# %%
# Train a forest on measurements of breast tumors.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from sklearn_kmex import make_kmex
from sklearn_kmex.embedding import TreeEmbedder
from sklearn_kmex.metrics import accuracy_gap, fidelity_score

data = load_breast_cancer()
X_train, X_test, y_train, y_test = train_test_split(
    data.data, data.target_names[data.target], stratify=data.target, random_state=0
)
forest = RandomForestClassifier(200, random_state=0).fit(X_train, y_train)
embedder = TreeEmbedder(forest, leaves="identity")
psem = make_kmex(embedder, n_prototypes=3, random_state=0).fit(X_train, y_train)
kmex = psem[-1]

# %%
# Plot the six patients nearest to the prototypes, in the columns that the forest relies
# on most. Values are in standard deviations of the training samples.
columns = forest.feature_importances_.argsort()[::-1][:8]
mean, std = X_train.mean(axis=0), X_train.std(axis=0)
cases = ((X_train[kmex.prototype_indices_] - mean) / std)[:, columns]

fig, ax = plt.subplots(figsize=(8, 4), layout="constrained")
image = ax.imshow(cases, cmap="RdBu_r", vmin=-2.5, vmax=2.5, aspect="auto")
ax.set_xticks(range(len(columns)), data.feature_names[columns], rotation=30, ha="right")
ax.set_yticks(
    range(len(cases)),
    [
        f"{label}, {count:.0f} members"
        for label, count in zip(
            kmex.prototype_classes_, kmex.prototype_counts_, strict=True
        )
    ],
)
fig.colorbar(image, label="standard deviations from the mean")
ax.set_title("Patients nearest to the prototypes")
plt.show()

# %%
# Compare with the forest on patients that neither has seen.
by_forest, by_psem = forest.predict(X_test), psem.predict(X_test)
print(f"{'accuracy of the forest':24}{np.mean(by_forest == y_test):7.3f}")
print(f"{'accuracy of the PSEM':24}{np.mean(by_psem == y_test):7.3f}")
print(f"{'accuracy gap':24}{accuracy_gap(y_test, by_forest, by_psem):7.3f}")
print(f"{'fidelity':24}{fidelity_score(by_forest, by_psem):7.3f}")

# %%
# Explain one decision: in how many trees does the patient share a leaf with the
# patients that it resembles? The squared distance is the share of trees in which they
# differ.
leaves = psem[:-1].transform(X_test[:1])
similarity, prototype = kmex.nearest_prototypes(leaves, 3)
nearest = kmex.prototype_indices_[prototype[0]]
together = (leaves @ psem[:-1].transform(X_train[nearest]).T).toarray()[0] * 2
print(f"predicted class of this patient: {psem.predict(X_test[:1])[0]}")
for row, s, share in zip(nearest, similarity[0], together, strict=True):
    print(
        f"  like training row {row:3}, {y_train[row]}: similarity {s:.3f}, "
        f"same leaf in {share:.0%} of the trees"
    )

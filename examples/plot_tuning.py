"""
Tuning the number of prototypes
===============================

Cross-validated accuracy and the criteria of self-explainable models may favor different
numbers of prototypes. `GridSearchCV` with `sem_scorers` shows all of them.
`KMExClassifierCV` chooses by the log loss of held-out samples alone, at little more
than the cost of its largest fit. It compares metrics and weights as well, and can
choose a number of prototypes for each class.
"""

# %%
# The black box is a random forest, fitted to other samples than those of the search.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV, train_test_split

from sklearn_kmex import KMExClassifierCV, make_kmex
from sklearn_kmex.inspection import PrototypeCountDisplay, SearchDisplay
from sklearn_kmex.metrics import sem_scorers

X, y = load_digits(return_X_y=True)
X_forest, X, y_forest, y = train_test_split(X, y, test_size=0.5, random_state=0)
forest = RandomForestClassifier(50, random_state=0).fit(X_forest, y_forest)

# Prototypes decide as in the paper.
paper = {
    "metric": "euclidean",
    "similarity": "log",
    "aggregation": "max",
    "priors": "uniform",
}
counts = [1, 2, 3, 4, 6, 8, 12]
search = GridSearchCV(
    make_kmex(forest, **paper, random_state=0),
    {"kmex__n_prototypes": counts},
    scoring=sem_scorers(),
    refit="accuracy",
).fit(X, y)

# %%
# Plot one curve for each scorer; higher is better. The band is one standard error of
# the mean over the five folds. A prototype that decides no sample of a fold lowers
# transparency. These folds have only 180 samples, so they cannot use 120 prototypes,
# whatever the model.
names = ["accuracy", "fidelity", "transparency", "diversity"]
fig, axes = plt.subplots(2, 2, figsize=(9, 6.5), layout="constrained")
for ax, name in zip(axes.flat, names, strict=True):
    PrototypeCountDisplay.from_estimator(search, scoring=name, ax=ax)
plt.show()

# %%
# Choose by held-out log loss, in the embedding of the forest, also metric and weights
# of the prototypes. A line is one way in which prototypes decide, with its best
# number of prototypes; filled ones are as good as the best within one standard error.
embeddings = search.best_estimator_["embed"].transform(X)
chosen = KMExClassifierCV(counts, random_state=0).fit(embeddings, y)
SearchDisplay.from_estimator(chosen)
PrototypeCountDisplay.from_estimator(chosen)
plt.show()

# %%
# If numbers may differ between classes, some keep a single prototype and others
# many. Here, they decide as in the paper, on the pixels, and are chosen by accuracy.
equal = KMExClassifierCV(12, scoring="accuracy", **paper, random_state=0)
each = KMExClassifierCV(12, scoring="accuracy", per_class=True, **paper, random_state=0)
equal.fit(X, y)
each.fit(X, y)

fig, ax = plt.subplots(figsize=(5, 3.5), layout="constrained")
ax.bar(np.arange(10), each.n_prototypes_)
ax.set(xticks=range(10), xlabel="digit", title="Prototypes chosen for each class")
plt.show()
n_equal, n_each = len(equal.prototypes_), len(each.prototypes_)
print(f"prototypes in total: {n_equal} with equal numbers, {n_each} chosen by class")

"""
Tuning the number of prototypes
===============================

Cross-validated accuracy and the criteria of self-explainable models may favor different
numbers of prototypes. `GridSearchCV` with `sem_scorers` shows all of them.
`KMExClassifierCV` chooses by the log-loss alone, at little more than the cost of its
largest fit, and can choose a number for each class.
"""

# %%
# The black box is a random forest, fitted to other samples than those of the search.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV, train_test_split

from sklearn_kmex import KMExClassifierCV, make_kmex
from sklearn_kmex.inspection import PrototypeCountDisplay
from sklearn_kmex.metrics import sem_scorers

X, y = load_digits(return_X_y=True)
X_forest, X, y_forest, y = train_test_split(X, y, test_size=0.5, random_state=0)
forest = RandomForestClassifier(50, random_state=0).fit(X_forest, y_forest)

# Only the number varies; how prototypes decide is as in the paper.
paper = {
    "metric": "euclidean",
    "similarity": "log",
    "aggregation": "max",
    "priors": "uniform",
    "random_state": 0,
}
counts = [1, 2, 3, 4, 6, 8, 12]
search = GridSearchCV(
    make_kmex(forest, **paper),
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
# Choose by log-loss alone, in the embedding of the forest. If numbers may differ
# between classes, some classes keep few prototypes and others many.
embeddings = search.best_estimator_["embed"].transform(X)
equal = KMExClassifierCV(candidates=12, **paper).fit(embeddings, y)
each = KMExClassifierCV(candidates=12, per_class=True, **paper).fit(embeddings, y)

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
PrototypeCountDisplay.from_estimator(equal, ax=left)
right.bar(np.arange(10), each.n_prototypes_)
right.set(xticks=range(10), xlabel="digit", title="Prototypes chosen for each class")
plt.show()
n_equal, n_each = len(equal.prototypes_), len(each.prototypes_)
print(f"prototypes in total: {n_equal} with equal numbers, {n_each} chosen by class")

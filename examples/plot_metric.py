"""
Which metric decides
====================

In a table, classes overlap, and the nearest prototype in Euclidean distance is often
of the wrong class. Another metric, chosen by held-out samples, decides better with the
same kind of prototypes.
"""

# %%
# The table has 30 measurements of cell nuclei, of benign and malignant breast tissue.
# Compare the setting of the paper with five prototypes for which the rest is chosen,
# and with a classifier that also chooses the number of prototypes.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier
from sklearn_kmex.metrics import make_example_likeness_scorer

X, y = load_breast_cancer(return_X_y=True)
X = StandardScaler().fit_transform(X)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.4, stratify=y, random_state=0
)
chosen = dict.fromkeys(("metric", "similarity", "aggregation", "priors"), "auto")
models = {
    "paper": KMExClassifier(5, random_state=0),
    "five": KMExClassifier(5, random_state=0, **chosen),
    "chosen": KMExClassifier("auto", random_state=0, **chosen),
}

# %%
# *Likeness* tells how much the training samples that are shown look like the test
# samples.
likeness = make_example_likeness_scorer(X_train, y_train)
print(f"{'':8}{'accuracy':>10}{'log-loss':>10}{'likeness':>10}  decides by")
for name, model in models.items():
    psem = model.fit(X_train, y_train)
    loss = log_loss(y_test, psem.predict_proba(X_test))
    made = psem.metric_, psem.similarity_, psem.aggregation_, psem.priors_
    print(
        f"{name:8}{psem.score(X_test, y_test):10.3f}{loss:10.3f}"
        f"{likeness(psem, X_test):10.2f}  {', '.join(made)}, "
        f"{len(psem.prototypes_)} prototypes"
    )

# %%
# Two columns show why. They are correlated within each class, so that a class is a long
# cloud. Distances along the cloud should count less than those across it. The
# background is the probability of each class (red: malignant), and stars are
# prototypes.
names = load_breast_cancer().feature_names
columns = [
    list(names).index(name) for name in ("mean radius", "mean fractal dimension")
]
fig, axes = plt.subplots(1, 3, figsize=(11, 3.9), sharey=True, layout="constrained")
for ax, (name, model) in zip(axes, models.items(), strict=True):
    psem = model.fit(X_train[:, columns], y_train)
    DecisionBoundaryDisplay.from_estimator(
        psem,
        X_test[:, columns],
        response_method="predict_proba",
        class_of_interest=1,
        grid_resolution=200,
        cmap="RdBu",
        alpha=0.6,
        vmin=0,
        vmax=1,
        ax=ax,
    )
    for label, color in enumerate(("tab:red", "tab:blue")):
        rows = X_test[y_test == label][:, columns]
        ax.scatter(*rows.T, s=6, color=color, alpha=0.6)
    colors = np.where(psem.prototype_classes_ == 0, "tab:red", "tab:blue")
    ax.scatter(*psem.prototypes_.T, s=130, marker="*", color=colors, edgecolor="k")
    accuracy = psem.score(X_test[:, columns], y_test)
    ax.set(title=f"{name}: {psem.metric_}, {accuracy:.1%}", xlabel=names[columns[0]])
axes[0].set_ylabel(names[columns[1]])
plt.show()

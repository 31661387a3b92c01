"""
Rare classes: recall and its cost
=================================

With as many prototypes for a rare class as for a common one, both are treated as
equally likely. Rare samples are found, but many common ones are taken for rare ones.
Numbers of prototypes in proportion to class size, or priors, shift this balance.

The tables are mammography (2.3 % calcifications) and annthyroid (7.4 % abnormal), which
are not part of the package. This example looks for `tab_mammography.npz` and
`tab_annthyroid.npz` in the folder named by the environment variable
`SKLEARN_KMEX_DATA`, by default `shared/data` beside the checkout. If a table is
missing, synthetic data of the same size and class frequencies are used, and the title
says so.
"""

# %%
# Load the tables, or generate synthetic ones.
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_classification
from sklearn.metrics import balanced_accuracy_score, precision_score, recall_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier, KMExClassifierCV

above = [folder / "shared" / "data" for folder in Path.cwd().parents]
beside = next(filter(Path.is_dir, above), Path("shared", "data"))
folder = Path(os.environ.get("SKLEARN_KMEX_DATA", beside))
tables = {}
for name, n_rows, share in [("mammography", 11183, 0.023), ("annthyroid", 7200, 0.074)]:
    path = folder / f"tab_{name}.npz"
    if path.exists():
        data = np.load(path)
        tables[name] = data["X"], data["y"]
    else:
        print(f"{path.name} is missing: set SKLEARN_KMEX_DATA. Using synthetic data.")
        tables[f"synthetic, in place of {name}"] = make_classification(
            n_rows,
            n_features=6,
            n_informative=4,
            n_clusters_per_class=1,
            weights=[1 - share],
            random_state=0,
        )

# %%
# Compare equal numbers of prototypes, numbers chosen for each class by balanced
# accuracy, one prototype for every 500 samples of a class, and equal numbers with the
# class frequencies as priors.
paper = {
    "metric": "euclidean",
    "similarity": "log",
    "aggregation": "max",
    "priors": "uniform",
}
models = {
    "5 for each class": KMExClassifier(5, random_state=0),
    "chosen by\nbalanced accuracy": KMExClassifierCV(
        candidates=10,
        scoring="balanced_accuracy",
        per_class=True,
        random_state=0,
        **paper,
    ),
    "in proportion\n(0.002)": KMExClassifier(0.002, random_state=0),
    "5 for each class,\nclass priors": KMExClassifier(
        5, similarity="gaussian", priors="class", random_state=0
    ),
}
scores = {name: {} for name in tables}
for name, (X, y) in tables.items():
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.3, stratify=y, random_state=0
    )
    for title, kmex in models.items():
        psem = make_pipeline(StandardScaler(), kmex).fit(X_train, y_train)
        answers = psem.predict(X_test)
        common, rare = recall_score(y_test, answers, average=None)
        scores[name][title] = {
            "recall of the common class": common,
            "recall of the rare class": rare,
            "balanced accuracy": balanced_accuracy_score(y_test, answers),
            "precision of the rare class": precision_score(y_test, answers),
        }

# %%
# On the two tables, equal numbers have the best balanced accuracy, but the precision of
# the rare class is low. With shares and priors the precision is higher, and more rare
# samples are missed. Which error is worse depends on the application.
colors = ["0.75", "tab:red", "tab:blue", "tab:orange"]
fig, axes = plt.subplots(2, 1, figsize=(9, 7.5), sharex=True, layout="constrained")
for ax, (name, of_models) in zip(axes, scores.items(), strict=True):
    for k, (label, color) in enumerate(zip(of_models[title], colors, strict=True)):
        values = [row[label] for row in of_models.values()]
        places = np.arange(len(values)) + 0.2 * k
        bars = ax.bar(places, values, 0.18, color=color, label=label)
        ax.bar_label(bars, fmt="%.2f", fontsize=8)
    ax.set(title=name, ylim=(0, 1.1))
axes[0].set_xticks(np.arange(len(models)) + 0.3, list(models))
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
plt.show()

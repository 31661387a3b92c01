"""
Rare classes: recall, and what it costs
=======================================

As many prototypes for a rare class as for a common one say: both are equally likely.
Rare rows are found, and many common ones are taken for them. Where this is not wanted,
counts in proportion to the classes, or priors, move the balance.

The tables are mammography (2.3 % calcifications) and annthyroid (7.4 % abnormal), which
do not ship with the package. This example looks for `tab_mammography.npz` and
`tab_annthyroid.npz` in the folder that the environment variable `SKLEARN_KMEX_DATA`
names, by default `shared/data` beside the checkout. A table that is not there is
replaced by a made-up one of the same size and share of the rare class, and its title
says so.
"""

# %%
# The tables, or what stands for them.
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
        print(f"{path.name} is not there: set SKLEARN_KMEX_DATA. Made-up rows instead.")
        tables[f"made up, in place of {name}"] = make_classification(
            n_rows,
            n_features=6,
            n_informative=4,
            n_clusters_per_class=1,
            weights=[1 - share],
            random_state=0,
        )

# %%
# Equal counts; counts that held-out rows chose by balanced accuracy, for each class;
# one prototype for every 500 rows of a class; and equal counts with the frequencies
# of the classes as priors.
models = {
    "5 for each class": KMExClassifier(5, random_state=0),
    "chosen by\nbalanced accuracy": KMExClassifierCV(
        10, scoring="balanced_accuracy", per_class=True, random_state=0
    ),
    "in proportion\n(0.002)": KMExClassifier(0.002, random_state=0),
    "5 for each class,\nempirical priors": KMExClassifier(
        5, similarity="gaussian", priors="empirical", random_state=0
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
# On the two tables, equal counts have the best balanced accuracy, and few of their
# alarms are right: this is the precision of the rare class. Shares and priors raise
# fewer alarms, most of them right, and miss more of the rare rows. Which error is worse
# is for you to say.
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

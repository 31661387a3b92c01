"""
An audit by sex and race
========================

A model of incomes is correct for most people. Is it for women and men alike, and whom
do its prototypes stand for? The table is adult of the UCI repository, in the folder
`SKLEARN_KMEX_DATA`, by default `shared/data` beside the checkout. If it is missing, a
made-up table takes its place.
"""

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_kmex import KMExClassifier
from sklearn_kmex.metrics import group_scores

beside = Path.cwd().resolve().parents[1] / "shared" / "data"
PATH = Path(os.environ.get("SKLEARN_KMEX_DATA", beside)) / "tab_adult.npz"


def adult(part, n_rows):
    """Load some rows of adult, with the incomes."""
    with np.load(PATH) as z:
        numbers = dict(zip(z["num_names"], z[f"num_{part}"][:n_rows].T, strict=True))
        codes = zip(z["cat_names"], z[f"cat_{part}"][:n_rows].T, strict=True)
        texts = {name: z[f"levels_{name}"][column] for name, column in codes}
        return pd.DataFrame(numbers | texts), z[f"y_{part}"][:n_rows]


def made_up(seed, n_rows):
    """Make a table in which fewer women have large incomes."""
    rng = np.random.RandomState(seed)
    table = {
        "age": rng.randint(18, 80, n_rows).astype(float),
        "education-num": rng.randint(5, 17, n_rows).astype(float),
        "hours-per-week": rng.normal(40, 10, n_rows).round(),
        "sex": rng.choice(["Female", "Male"], n_rows, p=[0.33, 0.67]),
        "race": rng.choice(["White", "Black", "Other"], n_rows, p=[0.85, 0.1, 0.05]),
    }
    X = pd.DataFrame(table)
    chance = X["education-num"] / 8 + X["hours-per-week"] / 40 + (X["sex"] == "Male")
    return X, (chance + rng.normal(0, 0.8, n_rows) > 3.9).astype(int)


if PATH.exists():
    (X_train, y_train), (X, y) = adult("train", 8000), adult("test", 6000)
else:
    print(f"{PATH.name} is missing: set SKLEARN_KMEX_DATA. Using a made-up table.")
    (X_train, y_train), (X, y) = made_up(0, 8000), made_up(1, 6000)

# %%
# The model, and its accuracy.
texts = make_column_selector(dtype_exclude="number")
encode = make_column_transformer(
    (OneHotEncoder(handle_unknown="ignore", sparse_output=False), texts),
    remainder=StandardScaler(),
)
psem = make_pipeline(encode, KMExClassifier(8, random_state=0)).fit(X_train, y_train)
print(f"{psem.score(X, y):.1%} of {len(y)} people are classified correctly")

# %%
# The same for each sex, each race, and each sex within each race. All intervals hold
# together: if the model did equally well for all, the chance that any difference is
# clear of 0 would be 5 %.
attributes = ["sex", "race"]
found = group_scores(
    psem, X, y, X[attributes], groups_train=X_train[attributes], X_train=X_train,
    y_train=y_train,
)  # fmt: skip
table = found.frame()
columns = ["group", "n_samples", "value", "difference", "difference_low"]
columns += ["difference_high"]
table[table["measure"] == "accuracy"][columns].round(3)

# %%
# Accuracy alone misleads: few women in the table have large incomes, so that it is easy
# to be correct about them. Recall of large incomes is the share of them that is found.
recall = table[(table["measure"] == "recall") & (table["label"] == 1)]
fig, axes = plt.subplots(1, 2, figsize=(10, 4.5), sharey=True, layout="constrained")
for ax, rows, title in zip(
    axes,
    (table[table["measure"] == "accuracy"], recall),
    ("Accuracy", "Recall of large incomes"),
    strict=True,
):
    places = np.arange(len(rows))[::-1]
    ax.hlines(places, rows["low"], rows["high"], color="tab:blue", lw=4, alpha=0.4)
    ax.plot(rows["value"], places, "o", color="tab:blue")
    ax.set_yticks(places, rows["group"])
    ax.set(title=f"{title}, intervals that hold together", xlim=(0, 1))
plt.show()

# %%
# Whom do the prototypes stand for? A group with fewer prototypes than its share of the
# training samples is explained by samples of other groups.
representation = pd.DataFrame(dict(found.representation))
print("no prototype stands for:", ", ".join(found.unrepresented) or "none")
representation.round(3)

# %%
# Groups that are too small to judge are not measured.
print(dict(zip(found.too_small.group, found.too_small.n_samples, strict=True)))

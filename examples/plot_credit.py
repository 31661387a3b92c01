"""
Credit decisions behind boosting
================================

A gradient boosting model decides on credits. Its table has numbers with gaps and
categories. The self-explainable model made from it decides by prototypes, and says in
the columns of the table why an applicant is like one prototype and unlike another. The
applicants are made up.
"""

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split

from sklearn_kmex import make_kmex
from sklearn_kmex.explain import contrast, explain

rng = np.random.RandomState(0)
n = 1500
X = pd.DataFrame(
    {
        "age": rng.randint(20, 70, n),
        "income": np.where(rng.random(n) < 0.1, np.nan, rng.lognormal(10, 0.5, n)),
        "months": rng.randint(6, 60, n),
        "amount": rng.lognormal(9, 0.6, n).round(-2),
        "housing": pd.Categorical(rng.choice(["own", "rent", "free"], n)),
        "past": pd.Categorical(rng.choice(["paid", "delayed", "none"], n)),
    }
)
risk = X["amount"] / X["income"].fillna(12_000) + X["months"] / 60
risk += (X["past"] == "delayed") - 0.3 * (X["housing"] == "own")
y = np.where(risk + rng.normal(scale=0.2, size=n) > 1.2, "bad", "good")
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

# %%
# The model, and its prototypes.
boosting = HistGradientBoostingClassifier(
    max_iter=60, categorical_features="from_dtype", random_state=0
)
boosting.fit(X_train, y_train)
psem = make_kmex(boosting, n_prototypes=4, random_state=0).fit(X_train, y_train)
print(
    f"boosting {boosting.score(X_test, y_test):.2f}, {psem.score(X_test, y_test):.2f}"
)

# %%
# Reasons in words. Positive contributions support the predicted class.
for reason in explain(psem, X_test[:5], reasons=True).reasons:
    print(reason)

# %%
# The same in numbers, exact to rounding. The nearest training rows show the prototypes.
why = contrast(psem, X_test[:3], X_train=X_train)
print(why.method, why.error.max())
why.frame().head(6)

# %%
# What each column adds to the margin, from the base at which no column is known.
why.plot(n_features=6)

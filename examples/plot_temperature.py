"""
Probabilities worth using
=========================

The log similarity says almost the same of all classes at temperature 1, and a
temperature fitted to the training rows is too sure. `temperature="auto"` scores each
training row by prototypes of other folds. The log-loss on held-out digits shows the
difference, on the pixels and on the hidden layer of a trained network.
"""

# %%
# Two embeddings of the digits: pixels, and the 64 hidden units of a trained MLP.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from sklearn_kmex import KMExClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
mlp = MLPClassifier((64,), max_iter=500, random_state=0).fit(X_train, y_train)


def hidden(X):
    return np.maximum(X @ mlp.coefs_[0] + mlp.intercepts_[0], 0)


embeddings = {
    "pixels": (X_train, X_test),
    "hidden layer": (hidden(X_train), hidden(X_test)),
}

# %%
# The log-loss as a function of the temperature, and where "auto" puts it.
temperatures = np.geomspace(1e-3, 1, 40)
colors = {"pixels": "#3f90da", "hidden layer": "#bd1f01"}
losses = {}

fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for name, (train, test) in embeddings.items():
    psem = KMExClassifier(random_state=0).fit(train, y_train)
    auto = log_loss(y_test, psem.predict_proba(test))
    chosen, curve = psem.temperature_, []
    for psem.temperature_ in temperatures:
        curve.append(log_loss(y_test, psem.predict_proba(test)))
    ax.loglog(temperatures, curve, color=colors[name], label=name)
    ax.plot(chosen, auto, "o", color=colors[name], label=f"{name}, auto")
    losses[name] = (curve[-1], auto, min(curve))
black_box = log_loss(y_test, mlp.predict_proba(X_test))
ax.axhline(black_box, color="gray", linestyle="--", label="the MLP itself")
ax.set(xlabel="temperature", ylabel="log-loss on test images")
ax.legend()
plt.show()

# %%
# In numbers:
print(f"{'log-loss':14}{'T = 1':>8}{'auto':>8}{'best':>8}")
for name, row in losses.items():
    print(f"{name:14}" + "".join(f"{value:8.3f}" for value in row))
print(f"{'MLP':14}{black_box:8.3f}")

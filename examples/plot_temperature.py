"""
Calibrating probabilities
=========================

At temperature 1, the log similarity gives all classes nearly the same probability. A
temperature fitted to the training samples gives overconfident probabilities.
`temperature="auto"` scores each training sample by prototypes of the other folds. The
log-loss on test images shows the difference, on pixels and on the hidden layer of a
trained network.
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
# Plot the log-loss against the temperature, with the choice of "auto".
temperatures = np.geomspace(1e-3, 1, 40)
colors = {"pixels": "#3f90da", "hidden layer": "#bd1f01"}
rows = []

fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for name, (train, test) in embeddings.items():
    psem = KMExClassifier(random_state=0).fit(train, y_train)
    auto, curve = psem.temperature_, []
    for temperature in temperatures:
        psem.temperature_ = temperature
        curve.append(log_loss(y_test, psem.predict_proba(test)))
    ax.loglog(temperatures, curve, color=colors[name], label=name)
    best = temperatures[np.argmin(curve)]
    for label, temperature in {"1": 1.0, "auto": auto, "best": best}.items():
        psem.temperature_ = temperature
        rows.append((f"{name}, {label}", psem.predict_proba(test)))
    loss = log_loss(y_test, rows[-2][1])
    ax.plot(auto, loss, "o", color=colors[name], label=f"{name}, auto")
rows.append(("the MLP itself", mlp.predict_proba(X_test)))
black_box = log_loss(y_test, mlp.predict_proba(X_test))
ax.axhline(black_box, color="gray", linestyle="--", label="the MLP itself")
ax.set(xlabel="temperature", ylabel="log-loss on test images")
ax.legend()
plt.show()

# %%
# The same numbers as a table. "Best" uses the test labels, "auto" does not.
# Probabilities are well calibrated if the mean probability of the predicted class is
# close to the accuracy.
print(f"{'temperature':20}{'log-loss':>10}{'confidence':>12}{'accuracy':>10}")
for name, p in rows:
    accuracy = np.mean(mlp.classes_[p.argmax(axis=1)] == y_test)
    print(
        f"{name:20}{log_loss(y_test, p):10.3f}{p.max(axis=1).mean():12.3f}"
        f"{accuracy:10.3f}"
    )

"""
Learning from a stream
======================

`partial_fit` learns from data batch by batch. Whether the batches are shuffled or
sorted by class, the prototypes are about as good as after a `fit` on all data.
"""

# %%
# Present the digits in random order, and sorted by class.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from sklearn_kmex import KMExClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
orders = {
    "shuffled": np.arange(len(y_train)),
    "class by class": np.argsort(y_train, kind="stable"),
}
whole = KMExClassifier(5, random_state=0).fit(X_train, y_train)

# %%
# Plot the accuracy on test images after each batch of 50. A class that has not appeared
# yet is never predicted, so the accuracy on the sorted stream increases class by class.
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
streams = {}
for (name, order), style in zip(orders.items(), ("-", "--"), strict=True):
    psem, seen, accuracy = KMExClassifier(5, random_state=0), [], []
    for start in range(0, len(order), 50):
        rows = order[start : start + 50]
        psem.partial_fit(X_train[rows], y_train[rows])
        seen.append(psem.n_samples_seen_)
        accuracy.append(psem.score(X_test, y_test))
    ax.plot(seen, accuracy, style, color="#3f90da", label=name)
    streams[name] = psem
ax.axhline(whole.score(X_test, y_test), color="gray", linestyle=":", label="fit on all")
ax.set(xlabel="training images seen", ylabel="accuracy on test images", ylim=(0, 1))
ax.legend()
plt.show()

# %%
# Compare with a single fit: the inertia, relative to that of the fit, and the log-loss
# of the probabilities, whose temperature is averaged over the batches.
print(f"{'':16}{'accuracy':>10}{'inertia / fit':>15}{'temperature':>13}{'log-loss':>9}")
for name, psem in {**streams, "fit": whole}.items():
    inertia = psem.inertia_.sum() / whole.inertia_.sum()
    score = psem.score(X_test, y_test)
    loss = log_loss(y_test, psem.predict_proba(X_test))
    print(f"{name:16}{score:10.3f}{inertia:15.3f}{psem.temperature_:13.5f}{loss:9.3f}")

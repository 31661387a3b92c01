"""
A trained network that explains itself
======================================

A small convolutional network is trained on handwritten digits with skorch, then
converted by `make_kmex`: its encoder stays frozen, and prototypes in the space of its
last hidden layer replace its linear head.
"""

# %%
# The black box.
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from skorch import NeuralNetClassifier

from sklearn_kmex import make_kmex
from sklearn_kmex.metrics import (
    accuracy_gap,
    diversity_score,
    fidelity_score,
    ghosting_rate,
)

digits = load_digits()
images = (digits.images[:, np.newaxis] / 16).astype(np.float32)
X_train, X_test, y_train, y_test = train_test_split(
    images, digits.target, random_state=0
)

torch.manual_seed(0)
network = torch.nn.Sequential(
    torch.nn.Conv2d(1, 16, 3, padding=1),
    torch.nn.ReLU(),
    torch.nn.MaxPool2d(2),
    torch.nn.Flatten(),
    torch.nn.Linear(256, 64),
    torch.nn.ReLU(),
    torch.nn.Linear(64, 10),
)
net = NeuralNetClassifier(
    network,
    criterion=torch.nn.CrossEntropyLoss,
    optimizer=torch.optim.Adam,
    lr=2e-3,
    batch_size=64,
    max_epochs=20,
    verbose=0,
).fit(X_train, y_train)

# %%
# Convert it. Nothing is trained again: this is one pass through the network and k-means
# on the embeddings of each digit.
psem = make_kmex(net, n_prototypes=4, random_state=0).fit(X_train, y_train)
kmex = psem[-1]

fig, axes = plt.subplots(4, 10, figsize=(9, 4.2), layout="constrained")
for k, row in enumerate(kmex.prototype_indices_):
    digit, j = divmod(k, 4)
    axes[j, digit].imshow(X_train[row, 0], cmap="gray_r")
    axes[j, digit].set(xticks=[], yticks=[], title=f"{digit}" if j == 0 else "")
fig.suptitle("Training images nearest to the prototypes")
plt.show()

# %%
# An honest comparison, on images that neither has seen.
by_net, by_psem = net.predict(X_test), psem.predict(X_test)
activations = psem.transform(X_test).argmax(axis=1)
table = {
    "accuracy of the network": (by_net == y_test).mean(),
    "accuracy of the PSEM": (by_psem == y_test).mean(),
    "accuracy gap": accuracy_gap(y_test, by_net, by_psem),
    "fidelity": fidelity_score(by_net, by_psem),
    "ghosting": ghosting_rate(activations, len(kmex.prototypes_)),
    "diversity": diversity_score(kmex.prototypes_),
}
for name, value in table.items():
    print(f"{name:26}{value:8.3f}")

# %%
# Images it is least sure of, beside the two training images they look like most. The
# difference of the two similarities is all the decision rests on.
unsure = psem.predict_proba(X_test).max(axis=1).argsort()[:3]
similarity, prototype = kmex.nearest_prototypes(psem[:-1].transform(X_test[unsure]), 2)

fig, axes = plt.subplots(3, 3, figsize=(6, 6.4), layout="constrained")
for i, row in enumerate(axes):
    pictures = [X_test[unsure[i]], *X_train[kmex.prototype_indices_[prototype[i]]]]
    titles = [f"is a {y_test[unsure[i]]}"] + [
        f"this {kmex.prototype_classes_[k]}: {s:.4f}"
        for k, s in zip(prototype[i], similarity[i], strict=True)
    ]
    for ax, picture, title in zip(row, pictures, titles, strict=True):
        ax.imshow(picture[0], cmap="gray_r")
        ax.set(xticks=[], yticks=[], title=title)
plt.show()

"""
Converting a torch network
==========================

A small convolutional network is trained on handwritten digits with skorch, and
converted by `make_kmex`. Its encoder stays frozen, and prototypes in its last hidden
layer replace its linear head.
"""

# %%
# Train the black box.
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from skorch import NeuralNetClassifier

from sklearn_kmex import make_kmex
from sklearn_kmex.inspection import ExplanationDisplay, PrototypeDisplay
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
# Convert it. Nothing is trained again: the images pass through the network once, and
# k-means is run on the embeddings of each digit.
psem = make_kmex(net, n_prototypes=4, random_state=0).fit(X_train, y_train)
kmex = psem[-1]

PrototypeDisplay.from_estimator(psem, X_train)
plt.show()

# %%
# Compare both models on test images.
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
# Explain the three least certain decisions. Each image is shown beside the training
# images it resembles most. The difference between the two colored similarities decides.
unsure = psem.predict_proba(X_test).max(axis=1).argsort()[:3]
print("true labels:", y_test[unsure])
ExplanationDisplay.from_estimator(psem, X_test[unsure], X_train=X_train, n_prototypes=2)
plt.show()

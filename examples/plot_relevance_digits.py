"""
Relevance maps of a network
===========================

Prototypes show what a digit resembles; relevance maps show where. This example computes
maps of the similarity to prototypes, of the decision, and of the black box, with
several methods, for a small convolutional network.
"""

# %%
# Train the black box, and convert it.
import warnings

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklearn_kmex import make_kmex
from sklearn_kmex.explain import (
    black_box_relevance,
    explain,
    faithfulness,
    relevance,
    robustness,
)

digits = load_digits()
images = (digits.images[:, np.newaxis] / 16).astype(np.float32)
X_train, X_test, y_train, y_test = train_test_split(
    images, digits.target, random_state=0
)

torch.manual_seed(0)
network = torch.nn.Sequential(
    torch.nn.Conv2d(1, 32, 3, padding=1),
    torch.nn.ReLU(),
    torch.nn.Conv2d(32, 64, 3, padding=1),
    torch.nn.ReLU(),
    torch.nn.MaxPool2d(2),
    torch.nn.Flatten(),
    torch.nn.Linear(1024, 10),
)
optimizer = torch.optim.Adam(network.parameters(), 2e-3)
X, y = torch.from_numpy(X_train), torch.from_numpy(y_train)
for _ in range(15):
    for rows in torch.randperm(len(X)).split(64):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(X[rows]), y[rows]).backward()
        optimizer.step()

psem = make_kmex(network.eval(), n_prototypes=5, similarity="log", random_state=0)
psem = psem.fit(X_train, y_train)
print("accuracy:", round(psem.score(X_test, y_test), 3))

# %%
# Three decisions, each beside the training images of its nearest prototypes. In the map
# beside a sample, red speaks for the predicted class, and blue for the runner-up. Below
# each prototype, red shows where the sample is more like it than like the others.
clear = np.argsort(psem.predict_proba(X_test).max(axis=1))
chosen = [clear[-1], clear[0], clear[1]]
explain(psem, X_test[chosen], X_train=X_train, relevance=True).plot()
plt.show()

# %%
# Why this class and not another? The margin is the difference to the nearest prototype
# of any other class, in squared distance. Its maps have positive and negative values,
# and sum to the margin.
lead = relevance(psem, X_test[chosen], "margin")
print("margin:", lead.sum(axis=(1, 2, 3)).round(2))

# %%
# Compare the methods, and the maps of the black box. By plain "epsilon", biases take a
# share of the relevance. A warning tells how much; it is not shown here.
warnings.filterwarnings("ignore", "Maps do not sum")
columns = {
    name: relevance(psem, X_test[chosen], "margin", method=method)
    for name, method in {
        "epsilon, plus, flat": "epsilon_plus_flat",
        "epsilon": "epsilon",
        "gradient x input": "gradient_x_input",
        "integrated\ngradients": "integrated_gradients",
        "occlusion": "occlusion",
    }.items()
}
columns["black box\n(epsilon, plus, flat)"] = black_box_relevance(psem, X_test[chosen])
fig, axes = plt.subplots(3, 7, figsize=(10, 5), layout="constrained")
for row, image in enumerate(X_test[chosen]):
    axes[row, 0].imshow(image[0], cmap="gray_r")
    for ax, maps in zip(axes[row, 1:], columns.values(), strict=True):
        largest = np.abs(maps[row]).max()
        ax.imshow(maps[row, 0], cmap="RdBu_r", vmin=-largest, vmax=largest)
for ax, name in zip(axes[0], ["sample", *columns], strict=True):
    ax.set_title(name, fontsize=10)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
plt.show()

# %%
# Measure how reliable the maps are, on test images: their divergence from the maps of
# the black box, beside that of maps for its second class; the loss of score without the
# less relevant half of the pixels; and how fast maps change between similar images.
faithful = faithfulness(psem, X_test[:100], random_state=0)
robust = robustness(
    psem, X_test[:100], baseline=X_train.mean(axis=0), n_neighbors=5, random_state=0
)
print(f"divergence from the black box  {faithful.divergence:.3f}")
print(f"second class                   {faithful.second_class:.3f}")
for name, value in robust.items():
    print(f"{name:31}{value:.3f}")

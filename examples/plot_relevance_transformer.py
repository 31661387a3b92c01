"""
Relevance through a vision transformer
======================================

Layer-wise relevance propagation has rules for attention, layer norms and GELU. This
example trains a small vision transformer on digits, draws what separates the nearest
prototypes of two classes, and tells how much of the relevance reaches the image.
"""

# %%
# A transformer of patches of 2 x 2 pixels, with a class token and position embeddings.
import warnings

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

from sklearn_kmex import make_kmex
from sklearn_kmex.explain import relevance

SIDE, WIDTH = 4, 32  # patches along a side, and numbers for each of them


class VisionTransformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(1, WIDTH, 2, stride=2)
        self.token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.positions = nn.Parameter(0.02 * torch.randn(1, SIDE**2 + 1, WIDTH))
        layer = nn.TransformerEncoderLayer(
            WIDTH,
            4,
            64,
            dropout=0,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, 10)

    def forward(self, images):
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        token = self.token.expand(len(images), -1, -1)
        tokens = torch.cat([token, tokens], dim=1) + self.positions
        return self.head(self.norm(self.blocks(tokens))[:, 0])


digits = load_digits()
images = (digits.images[:, np.newaxis] / 16).astype(np.float32)
X_train, X_test, y_train, y_test = train_test_split(
    images, digits.target, random_state=0
)
torch.manual_seed(0)
network = VisionTransformer()
optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
X, y = torch.from_numpy(X_train), torch.from_numpy(y_train)
for _ in range(15):
    for rows in torch.randperm(len(X)).split(64):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(X[rows]), y[rows]).backward()
        optimizer.step()
psem = make_kmex(network.eval(), random_state=0).fit(X_train, y_train)
print("accuracy:", round(psem.score(X_test, y_test), 3))

# %%
# Maps of the margin to the next class. By `"epsilon"`, relevance passes through the
# softmax of attention. By `"epsilon_cp"`, it passes through the values alone.
warnings.filterwarnings("ignore", "Maps do not sum")  # biases keep a share
methods = ["epsilon", "epsilon_cp", "gradient_x_input", "integrated_gradients"]
samples = X_test[:200]
maps = {name: relevance(psem, samples, "margin", method=name) for name in methods}
fig, axes = plt.subplots(3, 5, figsize=(8, 5), layout="constrained")
for row, (image, *drawn) in enumerate(axes):
    image.imshow(samples[row, 0], cmap="gray_r")
    for ax, name in zip(drawn, methods, strict=True):
        largest = np.abs(maps[name][row]).max()
        ax.imshow(maps[name][row, 0], cmap="RdBu_r", vmin=-largest, vmax=largest)
for ax, name in zip(axes[0], ["sample", *methods], strict=True):
    ax.set_title(name.replace("_", " "), fontsize=9)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
plt.show()

# %%
# Which part of the relevance reaches the image? Positions, the class token, biases and
# the softmax keep a share. The four parts sum to the score.
for name in methods[:2]:
    _, shares = relevance(psem, samples, "margin", method=name, return_shares=True)
    parts = {
        key: shares[key].mean() for key in ("input", "positions", "tokens", "rest")
    }
    print(f"{name:11}", {key: round(float(part), 2) for key, part in parts.items()})


# %%
# Are the maps faithful? Delete the patches one by one, the most relevant first, and
# average the probability of the predicted class. The lower, the better.
def by_patch(values):
    return values.reshape(-1, SIDE, 2, SIDE, 2)


def mean_probability(values):
    order = np.argsort(-by_patch(values).sum(axis=(2, 4)).reshape(-1, SIDE**2), axis=1)
    codes, changed, found = psem.predict(samples), samples.copy(), []
    for patch in order.T:
        found.append(psem.predict_proba(changed)[np.arange(len(codes)), codes].mean())
        rows = np.arange(len(codes))
        by_patch(changed)[rows, patch // SIDE, :, patch % SIDE] = 0
    return np.mean(found)


noise = np.random.default_rng(0).normal(size=samples.shape)
for name, values in {"random": noise, **maps}.items():
    print(f"{name:21}{mean_probability(values):.3f}")

"""
Choosing the layer of a network
===============================

The embedding is the output of one layer of a network, or the input of its head. This
example lists the layers of two torchvision networks, shows the outputs of some of them
and the default, and shows the errors for names that cannot be used.

The weights are random, so nothing is downloaded. Names and shapes are those of trained
networks. Networks of other libraries, such as timm, are used in the same way.
"""

# %%
# Load a network, and a few handwritten digits enlarged to 64 x 64 pixels in three
# channels.
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from torchvision.models import VisionTransformer, resnet18, squeezenet1_0

from sklearn_kmex import make_kmex
from sklearn_kmex.embedding import TorchEmbedder

digits, y = load_digits(return_X_y=True)
images = digits[:50].reshape(-1, 1, 8, 8).repeat(3, 1).repeat(8, 2).repeat(8, 3)
X, y = (images / 16).astype(np.float32), y[:50]

torch.manual_seed(0)
network = resnet18(weights=None).eval()

# %%
# Names are those of `named_modules`. Hooks record the shapes of the outputs for one
# image. Of the layers inside blocks, only those of the last block are printed.
layers = {name: layer for name, layer in network.named_modules() if name}
given = {name: [] for name in layers}


def write_down(name):
    return lambda _layer, _inputs, output: given[name].append(output[0].numpy())


hooks = [layers[name].register_forward_hook(write_down(name)) for name in layers]
with torch.no_grad():
    network(torch.from_numpy(X[:1]))
for hook in hooks:
    hook.remove()

print(f"{'layer':18}{'type':20}{'output':16}runs")
for name, layer in layers.items():
    if name.count(".") < 2 or name.startswith("layer4.1"):
        shape = " x ".join(map(str, given[name][0].shape))
        print(f"{name:18}{type(layer).__name__:20}{shape:16}{len(given[name])}")

# %%
# Channels are feature maps. Later layers have fewer positions, and so less information
# about where something is. Plot the first eight channels of five layers.
names = ["conv1", "layer1", "layer2", "layer3", "layer4"]
fig, axes = plt.subplots(5, 9, figsize=(9, 5.4), layout="constrained")
for row, name in zip(axes, names, strict=True):
    maps = given[name][0]
    for ax, channel in zip(row[1:], maps[:8], strict=True):
        ax.imshow(channel, cmap="viridis")
    row[1].set_ylabel(name)
axes[0, 0].imshow(X[0, 0], cmap="gray_r")
axes[0, 0].set_title("the image", fontsize=10)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
fig.suptitle("First eight channels of the output of each layer")
plt.show()

# %%
# By default, the embedding is the input of the last linear layer, here `fc`. In this
# network it is also the output of `avgpool`.
default = TorchEmbedder(network).transform(X)
by_name = TorchEmbedder(network, layer="avgpool").transform(X)
print("default:", default.shape, " the same as avgpool:", np.allclose(default, by_name))

# %%
# Three names that cannot be used: a misspelled name, a layer that runs twice because
# both halves of a block share it, and the default in a network that ends in
# convolutions. The errors name candidates, or the reason.
for model, name in (
    (network, "layr4"),
    (network, "layer4.1.relu"),
    (squeezenet1_0(weights=None), None),
):
    try:
        TorchEmbedder(model, layer=name).transform(X[:1])
    except ValueError as error:
        print(f"{error}\n")

# %%
# A transformer returns tokens: first the class token, which is the only input of its
# classifier, and then one token for each of the 16 patches.
transformer = VisionTransformer(
    image_size=64, patch_size=16, num_layers=2, num_heads=2, hidden_dim=32, mlp_dim=64
)
default = TorchEmbedder(transformer).transform(X)
first = TorchEmbedder(transformer, layer="encoder", pooling="cls").transform(X)
print("default:", default.shape, " the same as the class token:", end=" ")
print(np.allclose(default, first))

# %%
# `pooling` turns feature maps and tokens into vectors. "mean" averages over positions,
# and so ignores where something is. "flatten" keeps all positions, in more columns.
# "cls" takes the first token, and equals "mean" for feature maps. The table shows the
# number of columns.
print(f"{'layer':30}{'mean':>8}{'cls':>8}{'flatten':>10}")
for model, chosen in (
    (network, [*names, "avgpool"]),
    (transformer, ["encoder.layers.encoder_layer_0", "encoder"]),
):
    for name in chosen:
        mean, cls, flatten = (
            TorchEmbedder(model, name, pooling=pooling).transform(X[:1]).shape[1]
            for pooling in ("mean", "cls", "flatten")
        )
        print(f"{name:30}{mean:8}{cls:8}{flatten:10}")

# %%
# `make_kmex` accepts the name of the layer, or an embedder with all settings. For
# trained networks, start with the default, which is what the network itself decides by.
psem = make_kmex(network, layer="layer3", n_prototypes=1).fit(X, y)
print("prototypes on layer3:", psem["kmex"].prototypes_.shape)

embedder = TorchEmbedder(network, layer="layer3", pooling="flatten")
psem = make_kmex(embedder, n_prototypes=1).fit(X, y)
print("prototypes on layer3, flattened:", psem["kmex"].prototypes_.shape)

"""
Which layer to take
===================

The embedding is what one layer of a network gives. This example lists the names of the
layers of two torchvision networks, looks at what some of them give, shows which one is
the default, and what is said where a name will not do.

The weights are random, so that nothing is downloaded: names and shapes are those of
trained networks. Networks of other libraries, such as timm, are used in the same way.
"""

# %%
# A network, and a few handwritten digits blown up to 64 x 64 pixels in three channels.
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
# Names are those of `named_modules`. Shapes are seen by hooks while one image runs. Of
# the layers inside the blocks, only those of the last block are printed here.
layers = {name: layer for name, layer in network.named_modules() if name}
given = {name: [] for name in layers}


def write_down(name):
    return lambda _layer, _inputs, output: given[name].append(output[0].numpy())


hooks = [layers[name].register_forward_hook(write_down(name)) for name in layers]
with torch.no_grad():
    network(torch.from_numpy(X[:1]))
for hook in hooks:
    hook.remove()

print(f"{'layer':18}{'kind':20}{'gives':16}runs")
for name, layer in layers.items():
    if name.count(".") < 2 or name.startswith("layer4.1"):
        shape = " x ".join(map(str, given[name][0].shape))
        print(f"{name:18}{type(layer).__name__:20}{shape:16}{len(given[name])}")

# %%
# Channels are maps, with fewer positions the later the layer. Here are the first eight
# of five layers; the later ones have only few numbers left to say where something is.
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
fig.suptitle("The first eight channels that each layer gives")
plt.show()

# %%
# By default the embedding is what the last linear layer takes in, here `fc`. In this
# network that is also what `avgpool` gives.
default = TorchEmbedder(network).transform(X)
by_name = TorchEmbedder(network, layer="avgpool").transform(X)
print("default:", default.shape, " the same as avgpool:", np.allclose(default, by_name))

# %%
# Names that will not do: one with a slip of the pen, a layer that runs twice because
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
# A transformer gives tokens: one for each patch, 16 here, and before them the class
# token, which is all that its classifier reads.
transformer = VisionTransformer(
    image_size=64, patch_size=16, num_layers=2, num_heads=2, hidden_dim=32, mlp_dim=64
)
default = TorchEmbedder(transformer).transform(X)
first = TorchEmbedder(transformer, layer="encoder", pooling="cls").transform(X)
print("default:", default.shape, " the same as the class token:", end=" ")
print(np.allclose(default, first))

# %%
# `pooling` makes vectors of maps and tokens. "mean" averages over positions, and so
# forgets where something is; "flatten" keeps all of them, in more columns; "cls" takes
# the first token, and is "mean" for maps. The number of columns:
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
# `make_kmex` takes the layer, or an embedder with all that was chosen. With trained
# weights the default is the place to start: it is what the network itself decides by.
psem = make_kmex(network, layer="layer3", n_prototypes=1).fit(X, y)
print("prototypes on layer3:", psem["kmex"].prototypes_.shape)

embedder = TorchEmbedder(network, layer="layer3", pooling="flatten")
psem = make_kmex(embedder, n_prototypes=1).fit(X, y)
print("prototypes on layer3, flattened:", psem["kmex"].prototypes_.shape)

"""Base of the comparison models: labels, seeds, prototypes and a small network."""

import numpy as np
import torch
from sklearn.utils import check_random_state
from skorch import NeuralNetClassifier
from torch import nn
from torch.nn import functional

LARGEST_MAP = 7  # side of the last feature map, as in the ProtoPNet paper


class PrototypicalNet(NeuralNetClassifier):
    """A network with prototypes of its own, with the attributes of such models.

    A subclass names a module whose forward pass returns the logits, the similarities to
    all prototypes, the embeddings, and whatever else its loss needs. `module.owners` is
    the class code of each prototype, `module.prototypes` are vectors of the space of
    the embeddings.

    Parameters
    ----------
    module : torch.nn.Module class
        Called with `image_shape`, `n_classes` and `n_prototypes`.

    n_prototypes : int
        Prototypes of each class.

    random_state : int, RandomState or None
        Of weights, batches and noise. The generator of torch is left as it was.

    **kwargs
        Of skorch's `NeuralNetClassifier`.

    Attributes
    ----------
    classes_, prototypes_, prototype_classes_
        As of a KMExClassifier.

    prototype_indices_ : ndarray of shape (n_prototypes_total,)
        Training row of its class that is most similar to each prototype.
    """

    def __init__(self, module, *, n_prototypes=5, random_state=None, **kwargs):
        ours = {
            "criterion": nn.CrossEntropyLoss,
            "optimizer": torch.optim.Adam,
            "lr": 3e-3,
            "optimizer__param_groups": [("prototypes", {"lr": 1e-2})],
            "max_epochs": 10,
            "train_split": None,
            "verbose": 0,
        }
        super().__init__(module, **(ours | kwargs))
        self.n_prototypes = n_prototypes
        self.random_state = random_state

    def fit(self, X, y):
        """Train on images (n, channels, height, width) in [0, 1] with any labels."""
        X = as_images(X)
        self.classes_inferred_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y must have two classes or more; got {self.classes_}.")
        self.image_shape_ = X.shape[1:]
        with torch.random.fork_rng():
            seed = check_random_state(self.random_state).randint(2**31)
            torch.manual_seed(seed)
            self.initialize()
            self.notify("on_train_begin", X=X, y=codes)
            self.fit_loop(X, codes)
            self.notify("on_train_end", X=X, y=codes)
            return self._describe(X, codes)

    def check_data(self, X, y):
        """Do not change `classes_`: y already holds codes."""

    def initialize_module(self):
        self.module_ = self.initialized_instance(
            self.module,
            {
                "image_shape": self.image_shape_,
                "n_classes": len(self.classes_),
                "n_prototypes": self.n_prototypes,
                **self.get_params_for("module"),
            },
        )
        return self

    def _describe(self, X, codes):
        owners = self.module_.owners.numpy()
        similarities = self.transform(X)
        similarities[codes[:, np.newaxis] != owners] = -np.inf
        self.prototype_indices_ = similarities.argmax(axis=0)
        self.prototype_classes_ = self.classes_[owners]
        self.prototypes_ = self._vectors(X)
        return self

    def _vectors(self, X):
        return self.module_.prototypes.detach().numpy().copy()

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def predict_proba(self, X):
        return super().predict_proba(as_images(X))

    def transform(self, X):
        """Similarities, (n_samples, n_prototypes_total)."""
        return self.forward(as_images(X))[1].numpy()

    def embed(self, X):
        """Embeddings, (n_samples, n_features), for a KMExClassifier of their own."""
        return self.forward(as_images(X))[2].numpy()


def as_images(X):
    X = np.asarray(X, dtype=np.float32)
    if X.ndim != 4:
        raise ValueError(
            f"X must be images of shape (n, channels, height, width); got {X.shape}. "
            "Reshape it."
        )
    return X


def log_similarity(distances, epsilon=1e-4):
    return torch.log((distances + 1) / (distances + epsilon))


def owners(n_classes, n_prototypes):
    """Class code of each prototype."""
    return torch.arange(n_classes).repeat_interleave(n_prototypes)


def classifying_layer(owners, n_classes):
    """Initialize weights with 1 for prototypes of the class, and -0.5 for others."""
    layer = nn.Linear(len(owners), n_classes, bias=False)
    own = functional.one_hot(owners, n_classes).T
    with torch.no_grad():
        layer.weight.copy_(1.5 * own - 0.5)
    return layer


def map_shape(image_shape, width):
    """Return channels, height and width of the output of `encoder`."""
    _, *sides = image_shape
    while max(sides) > LARGEST_MAP:
        sides, width = [side // 2 for side in sides], 2 * width
    return width, *sides


def encoder(image_shape, width=16):
    """Create convolutions that halve the image and double the channels, to 7 x 7."""
    layers, channels = [], image_shape[0]
    for _ in range(n_halvings(image_shape)):
        layers += [convolution(channels, width), nn.AvgPool2d(2), *activation(width)]
        channels, width = width, 2 * width
    return nn.Sequential(*layers, convolution(channels, width), *activation(width))


def n_halvings(image_shape):
    return int(np.log2(map_shape(image_shape, 1)[0]))


def convolution(channels, width):
    return nn.Conv2d(channels, width, 3, padding=1, bias=False)


def activation(width):
    return nn.BatchNorm2d(width), nn.ReLU()


class Decoder(nn.Module):
    """Create the reverse of the encoder, from a vector to an image."""

    def __init__(self, n_features, image_shape, width=8):
        super().__init__()
        self.image_shape = image_shape
        shape = map_shape(image_shape, width)
        layers = [nn.Linear(n_features, int(np.prod(shape))), nn.Unflatten(1, shape)]
        for channels in width * 2 ** np.arange(n_halvings(image_shape))[::-1]:
            up = nn.ConvTranspose2d(2 * channels, channels, 4, stride=2, padding=1)
            layers += [*activation(2 * channels), up]
        layers += [nn.ReLU(), nn.Conv2d(width, image_shape[0], 3, padding=1)]
        self.layers = nn.Sequential(*layers)

    def forward(self, vectors):
        images = torch.sigmoid(self.layers(vectors))
        return functional.interpolate(images, self.image_shape[1:])  # odd sides

"""ProtoPNet (Chen et al. 2019, "This Looks Like That", arXiv 1806.10574)."""

import torch
from torch import nn
from torch.nn import functional

from study._sem import (
    PrototypicalNet,
    classifying_layer,
    encoder,
    log_similarity,
    map_shape,
    owners,
)


class ProtoPNetModule(nn.Module):
    """Patches of the feature map, each compared with prototypes of one patch."""

    def __init__(self, image_shape, n_classes, n_prototypes, n_features=64, width=16):
        super().__init__()
        self.register_buffer("owners", owners(n_classes, n_prototypes))
        self.body = encoder(image_shape, width)
        self.add_on = nn.Sequential(
            nn.Conv2d(map_shape(image_shape, width)[0], n_features, 1),
            nn.ReLU(),
            nn.Conv2d(n_features, n_features, 1),
            nn.Sigmoid(),
        )
        self.prototypes = nn.Parameter(torch.rand(len(self.owners), n_features))
        self.last = classifying_layer(self.owners, n_classes).requires_grad_(False)

    def patches(self, images):
        """Return the vectors of all places, (n_samples, n_places, n_features)."""
        return self.add_on(self.body(images)).flatten(2).transpose(1, 2)

    def squared_distances(self, patches):
        """Return distances to prototypes, (n_samples, n_places, n_prototypes_total)."""
        squares = patches.square().sum(-1, keepdim=True)
        products = patches @ self.prototypes.T
        return (squares - 2 * products + self.prototypes.square().sum(1)).relu()

    def forward(self, images):
        patches = self.patches(images)
        nearest = self.squared_distances(patches).amin(dim=1)
        similarities = log_similarity(nearest)
        return self.last(similarities), similarities, patches.amax(dim=1), nearest


class ProtoPNet(PrototypicalNet):
    """Prototypical part network, small, after Chen et al. 2019.

    The steps are those of section 2.2 of the paper. First, all layers but the last are
    trained, with a fixed body in the first `warm_epochs`. Then each prototype is
    replaced with the nearest patch of a training image of its class, and the convex
    problem of the last layer is solved. The paper starts from a body trained on
    ImageNet, this class from random weights. An embedding is the maximum of each
    channel over all patches.

    Parameters
    ----------
    module : torch.nn.Module class
        `module__n_features` channels of a patch, `module__width` of the first layer.

    cluster, separation : float
        Weights of the two costs.

    l1 : float
        Weight of the absolute connections of prototypes to other classes.

    warm_epochs : int
        Number of epochs, of `max_epochs`, with a fixed body.

    last_layer_iter : int
        Iterations of L-BFGS for the last layer.

    **kwargs
        Of `PrototypicalNet`.
    """

    def __init__(
        self,
        module=ProtoPNetModule,
        *,
        cluster=0.8,
        separation=0.08,
        l1=1e-4,
        warm_epochs=1,
        last_layer_iter=20,
        **kwargs,
    ):
        super().__init__(module, **kwargs)
        self.cluster = cluster
        self.separation = separation
        self.l1 = l1
        self.warm_epochs = warm_epochs
        self.last_layer_iter = last_layer_iter

    def fit_loop(self, X, y, **fit_params):
        for trained, epochs in (
            (False, self.warm_epochs),
            (True, self.max_epochs - self.warm_epochs),
        ):
            self.module_.body.requires_grad_(trained)
            super().fit_loop(X, y, epochs=epochs, **fit_params)
        self._push(X, y)
        self._fit_last_layer(X, y)
        return self

    def get_loss(self, y_pred, y_true, *args, **kwargs):
        logits, _, _, distances = y_pred
        own = y_true[:, None] == self.module_.owners
        cluster = distances.masked_fill(~own, torch.inf).amin(dim=1).mean()
        separation = distances.masked_fill(own, torch.inf).amin(dim=1).mean()
        entropy = self.criterion_(logits, y_true)
        return entropy + self.cluster * cluster - self.separation * separation

    @torch.no_grad()
    def _push(self, X, y):
        """Replace each prototype by the nearest patch of its class."""
        module = self.module_.eval()
        nearest = torch.full([len(module.owners)], torch.inf)
        pushed = module.prototypes.clone()
        batches = (torch.as_tensor(part).split(self.batch_size) for part in (X, y))
        for images, codes in zip(*batches, strict=True):
            patches = module.patches(images)
            distances = module.squared_distances(patches)
            others = codes[:, None] != module.owners
            distances.masked_fill_(others[:, None], torch.inf)
            least, place = distances.flatten(0, 1).min(dim=0)
            closer = least < nearest
            nearest[closer] = least[closer]
            pushed[closer] = patches.flatten(0, 1)[place[closer]]
        module.prototypes.copy_(pushed)

    def _fit_last_layer(self, X, y):
        """Fit the last layer only, with sparse weights for other classes."""
        last, owners = self.module_.last, self.module_.owners
        similarities, y = torch.as_tensor(self.transform(X)), torch.as_tensor(y)
        others = torch.arange(len(self.classes_))[:, None] != owners
        weight = last.weight.requires_grad_(True)
        solver = torch.optim.LBFGS(
            [weight], max_iter=self.last_layer_iter, line_search_fn="strong_wolfe"
        )

        def step():
            solver.zero_grad()
            entropy = functional.cross_entropy(last(similarities), y)
            loss = entropy + self.l1 * weight[others].abs().sum()
            loss.backward()
            return loss

        solver.step(step)

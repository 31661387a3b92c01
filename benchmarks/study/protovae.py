"""ProtoVAE (Gautam et al. 2022): a variational autoencoder with class prototypes.

"ProtoVAE: A Trustworthy Self-Explainable Prototypical Variational Model" (arXiv
2210.08151).
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from study._sem import (
    Decoder,
    PrototypicalNet,
    classifying_layer,
    encoder,
    log_similarity,
    map_shape,
    owners,
)

SMALLEST_VARIANCE = 1e-8


class ProtoVAEModule(nn.Module):
    """Encoder, decoder, prototypes in the latent space, and a linear classifier."""

    def __init__(self, image_shape, n_classes, n_prototypes, n_features=64, width=16):
        super().__init__()
        self.register_buffer("owners", owners(n_classes, n_prototypes))
        self.encoder = nn.Sequential(
            encoder(image_shape, width),
            nn.Flatten(),
            nn.Linear(int(np.prod(map_shape(image_shape, width))), 2 * n_features),
            nn.ReLU(),
            nn.Linear(2 * n_features, 2 * n_features),
        )
        self.decoder = Decoder(n_features, image_shape)
        self.prototypes = nn.Parameter(torch.randn(len(self.owners), n_features))
        self.last = classifying_layer(self.owners, n_classes)

    def forward(self, images):
        mean, log_variance = self.encoder(images).chunk(2, dim=1)
        if not self.training:
            return *self.classify(mean), mean
        bound = -np.log(SMALLEST_VARIANCE)
        log_variance = log_variance.clamp(-bound, bound)
        vectors = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        reconstructions = self.decoder(vectors)
        return *self.classify(vectors), mean, log_variance, reconstructions

    def classify(self, vectors):
        similarities = log_similarity(torch.cdist(vectors, self.prototypes))
        return self.last(similarities), similarities

    def centred(self):
        """Return prototypes minus their class mean, (class, prototype, feature)."""
        n_classes = self.last.out_features
        of_classes = self.prototypes.unflatten(0, (n_classes, -1))
        return of_classes - of_classes.mean(dim=1, keepdim=True)


class ProtoVAE(PrototypicalNet):
    """Variational autoencoder with class prototypes, small, after Gautam et al. 2022.

    The loss is that of the paper: cross-entropy, reconstruction, the divergence from
    the mixture of normal distributions around the prototypes of the class, and the
    orthonormality of these. As in the released code, reconstruction and divergence are
    means over pixels and features, and the norm of orthonormality is not squared. As in
    the paper, but not in the released code, training samples from the encoding.

    Parameters
    ----------
    module : torch.nn.Module class
        `module__n_features` of the latent space, `module__width` of the first layer.

    reconstruction, divergence, orthonormality : float
        Weights of the losses.

    **kwargs
        Of `PrototypicalNet`.
    """

    def __init__(
        self,
        module=ProtoVAEModule,
        *,
        reconstruction=1.0,
        divergence=1.0,
        orthonormality=1.0,
        **kwargs,
    ):
        # With a higher rate, all encodings collapse into the noise.
        super().__init__(module, **({"lr": 1e-3} | kwargs))
        self.reconstruction = reconstruction
        self.divergence = divergence
        self.orthonormality = orthonormality

    def get_loss(self, y_pred, y_true, X, **kwargs):
        logits, similarities, mean, log_variance, reconstructions = y_pred
        own = y_true[:, None] == self.module_.owners
        divergence = mixture_divergence(
            mean, log_variance, self.module_.prototypes, similarities * own
        )
        return (
            self.criterion_(logits, y_true)
            + self.reconstruction * functional.mse_loss(reconstructions, X)
            + self.divergence * divergence
            + self.orthonormality * orthonormality(self.module_.centred())
        )

    @torch.no_grad()
    def decode(self, vectors):
        """Decode vectors of the latent space, such as the prototypes."""
        return self.module_.eval().decoder(torch.as_tensor(vectors)).numpy()


def mixture_divergence(mean, log_variance, prototypes, weights):
    """Return the divergence from the normal distribution around each prototype.

    It is weighted by the similarity to the prototype, and 0 for other classes.
    """
    to_prototypes = (mean[:, None] - prototypes).square().mean(dim=2)
    of_variance = (log_variance.exp() - 1 - log_variance).mean(dim=1, keepdim=True)
    weights = weights / weights.sum(dim=1, keepdim=True)
    return ((to_prototypes + of_variance) / 2 * weights).sum(dim=1).mean()


def orthonormality(centred):
    """Return the mean distance of the Gram matrices of classes from the identity."""
    gram = centred @ centred.mT
    return (gram - torch.eye(gram.shape[1])).flatten(1).norm(dim=1).mean()

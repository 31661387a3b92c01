"""FLINT (Parekh et al. 2021): a predictor with attributes that interpret it.

"A Framework to Learn with Interpretation" (arXiv 2010.09345).
"""

import numpy as np
from torch import nn
from torch.nn import functional

from study._sem import Decoder, PrototypicalNet, as_images, encoder, map_shape


class FLINTModule(nn.Module):
    """The predictor f, attributes from its feature map, and the interpreter."""

    def __init__(self, image_shape, n_classes, n_prototypes, n_hidden=128, width=16):
        super().__init__()
        n_map = int(np.prod(map_shape(image_shape, width)))
        n_attributes = n_classes * n_prototypes
        self.body = nn.Sequential(encoder(image_shape, width), nn.Flatten())
        self.predictor = nn.Sequential(
            nn.Linear(n_map, n_hidden), nn.ReLU(), nn.Linear(n_hidden, n_classes)
        )
        self.attributes = nn.Sequential(
            nn.Linear(n_map, n_hidden), nn.ReLU(), nn.Linear(n_hidden, n_attributes)
        )
        self.attributes.append(nn.ReLU())
        self.decoder = Decoder(n_attributes, image_shape)
        self.interpreter = nn.Linear(n_attributes, n_classes)

    @property
    def owners(self):
        """Return the class to which an attribute contributes most."""
        return self.interpreter.weight.detach().argmax(dim=0)

    def forward(self, images):
        features = self.body(images)
        attributes = self.attributes(features)
        outputs = self.interpreter(attributes), attributes, attributes
        predicted = self.predictor(features)
        if not self.training:
            return *outputs, predicted
        return *outputs, predicted, self.decoder(attributes)


class FLINT(PrototypicalNet):
    """Predictor and interpreter, small, after Parekh et al. 2021.

    The loss is that of the paper, the weights are those of the released code for MNIST.
    Attributes are not prototypes in the input space. They are treated as follows. The
    similarity to an attribute is its activation. Its class is the one in which it has
    the largest weight in the interpreter. Its vector holds the activations of all
    attributes on the training row of this class that activates it most, so that
    attributes activated by the same rows are close together. A class may have no
    attribute. `predict` uses the interpreter (FLINT-g), and `black_box_output` is the
    predictor (FLINT-f).

    Parameters
    ----------
    module : torch.nn.Module class
        `module__n_hidden` units of hidden layers, `module__width` of the first layer.

    n_prototypes : int
        Attributes for each class; the dictionary has `n_prototypes * n_classes`.

    input_fidelity, output_fidelity, conciseness, diversity, sparsity : float
        Weights of the losses.

    warm_epochs : int
        Epochs with the losses of prediction and input fidelity only.

    **kwargs
        Of `PrototypicalNet`.
    """

    def __init__(
        self,
        module=FLINTModule,
        *,
        input_fidelity=0.8,
        output_fidelity=0.5,
        conciseness=0.2,
        diversity=0.2,
        sparsity=0.1,
        warm_epochs=2,
        **kwargs,
    ):
        super().__init__(module, **kwargs)
        self.input_fidelity = input_fidelity
        self.output_fidelity = output_fidelity
        self.conciseness = conciseness
        self.diversity = diversity
        self.sparsity = sparsity
        self.warm_epochs = warm_epochs

    def get_loss(self, y_pred, y_true, X, **kwargs):
        interpreted, attributes, _, predicted, reconstructions = y_pred
        loss = self.criterion_(predicted, y_true)
        loss += self.input_fidelity * functional.mse_loss(reconstructions, X)
        if len(self.history) <= self.warm_epochs:
            return loss
        said = predicted.detach().softmax(dim=1)
        loss += self.output_fidelity * self.criterion_(interpreted, said)
        loss += self.conciseness * entropy(attributes).mean()
        loss -= self.diversity * entropy(attributes.mean(dim=0))
        return loss + self.sparsity * attributes.abs().mean()

    def black_box_output(self, X):
        """Logits of the predictor, (n_samples, n_classes)."""
        return self.forward(as_images(X))[3].numpy()

    def _vectors(self, X):
        return self.embed(X[self.prototype_indices_])


def entropy(attributes):
    """Entropy of the softmax over the attributes."""
    log_shares = attributes.log_softmax(dim=-1)
    return -(log_shares.exp() * log_shares).sum(dim=-1)

"""Networks of the study."""

import torch
import torchvision
from torch import nn

WIDTHS = 16, 32, 64, 64


class SmallNet(nn.Module):
    """A convolutional network for two CPU cores, for images of any shape.

    `body` returns feature maps, `hidden` reduces them to `n_features` values, and
    `head` is the classifier.
    """

    def __init__(self, shape, n_classes, n_features=128):
        super().__init__()
        self.body = make_body(shape)
        with torch.no_grad():
            n_values = self.body.eval()(torch.zeros(1, *shape)).numel()
        self.body.train()
        self.hidden = nn.Sequential(
            nn.Flatten(), nn.Linear(n_values, n_features), nn.ReLU()
        )
        self.head = nn.Linear(n_features, n_classes)

    def forward(self, X):
        return self.head(self.hidden(self.body(X)))


def make_body(shape):
    """Create blocks that halve images, down to about four pixels."""
    channels, size = shape[0], min(shape[1:])
    layers = []
    for width in WIDTHS[: 3 if size < 64 else 4]:
        layers += [
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
        channels = width
    return nn.Sequential(*layers)


def resnet34(n_classes):
    """Create the untrained network of the paper; images become RGB of 32 x 32."""
    resnet = torchvision.models.resnet34(weights=None, num_classes=n_classes)
    return nn.Sequential(RGB32(), resnet)


class RGB32(nn.Module):
    """Convert images to RGB of 32 x 32: shrink large ones, pad small ones with 0."""

    def forward(self, X):
        if max(X.shape[2:]) > 32:
            X = nn.functional.interpolate(X, (32, 32), mode="area")
        top, left = (32 - X.shape[2]) // 2, (32 - X.shape[3]) // 2
        frame = left, 32 - X.shape[3] - left, top, 32 - X.shape[2] - top
        return nn.functional.pad(X, frame).expand(-1, 3, -1, -1)

"""Kinds of networks of torch and skorch."""

import numpy as np
import skorch
import torch
from sklearn.pipeline import make_pipeline
from torch import nn

from battery.cases import before, case, image_rows, mixed_rows, number_rows


def perceptron(n_inputs=5, n_outputs=3, activation=nn.ReLU):
    return nn.Sequential(
        nn.Linear(n_inputs, 16), activation(), nn.Linear(16, n_outputs)
    )


def normalized():
    return nn.Sequential(
        nn.BatchNorm1d(5),
        nn.Linear(5, 16),
        nn.BatchNorm1d(16),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(16, 3),
    )


def single_logit():
    return perceptron(n_outputs=1)


def convolutions():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 2),
    )


class Residual(nn.Module):
    """Two layers around which the input of the second goes, for a table."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.head = (
            nn.Linear(5, 16),
            nn.Linear(16, 16),
            nn.Linear(16, 3),
        )

    def forward(self, X):
        X = torch.relu(self.first(X))
        return self.head(X + torch.relu(self.second(X)))


class Tokens(nn.Module):
    """Each number of a row is a token of a transformer encoder, or of an LSTM."""

    def __init__(self, kind):
        super().__init__()
        self.kind, self.embed = kind, nn.Linear(1, 8)
        if kind == "lstm":
            self.layer = nn.LSTM(8, 8, batch_first=True)
        else:
            self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, X):
        Z = self.layer(self.embed(X.unsqueeze(-1)))
        Z = Z[0] if self.kind == "lstm" else Z
        return self.head(Z.mean(dim=1))


class InDict(nn.Module):
    """Returns its logits in a dict."""

    def __init__(self):
        super().__init__()
        self.net = perceptron()

    def forward(self, X):
        return {"logits": self.net(X)}


def train(make, rows, loss=None):
    """Train a network for a moment, and make a case of it."""
    torch.manual_seed(0)
    network, (X, y) = make(), rows
    X_train, y_train = torch.tensor(X[:180]), torch.tensor(y[:180])
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    for _ in range(60):
        optimizer.zero_grad()
        (loss or _cross_entropy)(network(X_train), y_train).backward()
        optimizer.step()
    return case(network.eval(), rows, fit=False, module=make)


def _cross_entropy(output, y):
    return nn.functional.cross_entropy(
        getattr(output, "get", lambda _: output)("logits"), y
    )


def _logistic(output, y):
    return nn.functional.binary_cross_entropy_with_logits(output[:, 0], y.float())


def _floats():
    return number_rows(np.float32)


def _two_classes():
    X, y = _floats()
    return X, (y > 1).astype(int)


def _skorch(*steps_before, rows, n_inputs, n_outputs):
    torch.manual_seed(0)
    net = skorch.NeuralNetClassifier(
        perceptron,
        module__n_inputs=n_inputs,
        module__n_outputs=n_outputs,
        criterion=nn.CrossEntropyLoss,
        max_epochs=20,
        lr=0.1,
        verbose=0,
        train_split=None,
    )
    model = make_pipeline(*steps_before, net) if steps_before else net
    return case(model, rows, module=lambda: perceptron(n_inputs, n_outputs))


def floats(X):
    """Convert rows to float32."""
    return np.asarray(X, dtype=np.float32)


def network_kinds():
    from sklearn.preprocessing import FunctionTransformer

    return {
        "torch MLP": lambda: train(perceptron, _floats()),
        "torch MLP, tanh": lambda: train(
            lambda: perceptron(activation=nn.Tanh), _floats()
        ),
        "torch MLP, BatchNorm and Dropout": lambda: train(normalized, _floats()),
        "torch residual MLP": lambda: train(Residual, _floats()),
        "torch MLP, one logit": lambda: train(single_logit, _two_classes(), _logistic),
        "torch MLP, logits in a dict": lambda: train(InDict, _floats()),
        "torch convolutions, images": lambda: train(convolutions, image_rows()),
        "torch TransformerEncoderLayer": lambda: train(
            lambda: Tokens("attention"), _floats()
        ),
        "torch LSTM": lambda: train(lambda: Tokens("lstm"), _floats()),
        "skorch NeuralNetClassifier, array": lambda: _skorch(
            rows=_floats(), n_inputs=5, n_outputs=3
        ),
        "skorch NeuralNetClassifier, table": lambda: _skorch(
            before(),
            FunctionTransformer(floats),
            rows=mixed_rows(),
            n_inputs=8,
            n_outputs=2,
        ),
    }

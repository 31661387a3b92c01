"""Black boxes of the study, trained once and cached beside this file."""

import time
from pathlib import Path

import numpy as np
import resnet20
import torch
from joblib import Memory
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from skorch import NeuralNetClassifier
from skorch.callbacks import LRScheduler

from study.networks import SmallNet, resnet34

CACHE = Memory(Path(__file__).parent / "cache", verbose=0)


def train(data, kind, seed=0, epochs=10):
    """Train a skorch net, or a pipeline that ends in a model, on the training rows.

    The attribute `seconds_` is the processor time of the training. The same settings
    and rows give the same model, from the cache if it is there.
    """
    model, seconds = fit(kind, data.X_train, data.y_train, seed, epochs)
    model.seconds_ = seconds
    return model


@CACHE.cache
def fit(kind, X, y, seed, epochs):
    start = time.process_time()
    model = KINDS[kind](X, y, seed, epochs)
    return model, time.process_time() - start


def small(X, y, seed, epochs):
    settings = {"shape": X.shape[1:], "n_classes": int(y.max()) + 1}
    return network(SmallNet, X, y, seed, epochs, settings)


def paper(X, y, seed, epochs):
    return network(resnet34, X, y, seed, epochs, {"n_classes": int(y.max()) + 1})


def network(module, X, y, seed, epochs, settings):
    """Train a module with AdamW and a cosine learning rate from 2e-3 to 0."""
    torch.manual_seed(seed)
    schedule = LRScheduler(
        torch.optim.lr_scheduler.CosineAnnealingLR,
        T_max=epochs * -(-len(X) // 128),
        step_every="batch",
    )
    net = NeuralNetClassifier(
        module,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=1e-2,
        lr=2e-3,
        batch_size=128,
        max_epochs=epochs,
        iterator_train__shuffle=True,
        train_split=None,
        callbacks=[schedule],
        verbose=0,
        **{f"module__{name}": value for name, value in settings.items()},
    )
    return net.fit(X, np.asarray(y, dtype=np.int64))


def pretrained(X, y, seed, epochs):
    """Return the published ResNet-20 without training."""
    with np.load(resnet20.DATA / "resnet20_cifar10_weights.npz") as weights:
        module = resnet20.load(weights)
    net = NeuralNetClassifier(
        module, criterion=torch.nn.CrossEntropyLoss, classes=list(range(10))
    )
    return make_pipeline(FunctionTransformer(standardized), net.initialize())


def standardized(X):
    mean, std = (np.reshape(v, (3, 1, 1)) for v in (resnet20.MEAN, resnet20.STD))
    return ((X - mean) / std).astype(np.float32)


def mlp(X, y, seed, epochs):
    model = MLPClassifier((64, 64), early_stopping=True, random_state=seed)
    return make_pipeline(StandardScaler(), model).fit(X, y)


def boosting(X, y, seed, epochs):
    model = HistGradientBoostingClassifier(random_state=seed)
    return make_pipeline(StandardScaler(), model).fit(X, y)


def forest(X, y, seed, epochs):
    model = RandomForestClassifier(random_state=seed)
    return make_pipeline(StandardScaler(), model).fit(X, y)


KINDS = {
    "small": small,
    "resnet34": paper,
    "resnet20": pretrained,
    "mlp": mlp,
    "boosting": boosting,
    "forest": forest,
}

"""Integrated gradients of a linear function of the embedding, from several rows."""

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import gen_batches
from torch import Tensor

from sklearn_kmex._torch.encoder import Encoder, Network, copy_to_explain, tap_of
from sklearn_kmex._torch.run import first_parameter

# Gradients on each line from a reference row; more where their mean is not exact.
N_STEPS = (16, 64, 256)
MAX_ERROR = 1e-3  # of the sum of contributions, relative to their sizes
MAX_ROWS, MAX_ELEMENTS = 2**12, 2**24  # of a batch


def integrated_gradients(
    network: Network,
    X: NDArray,
    slope: NDArray[np.float64],
    starts: NDArray[np.float64],
    change: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Split the change of `(slope * embedding).sum(axis=1)` over the columns of X.

    Each sample has its own rows to start from, (n_samples, n_starts, n_columns).
    `change` is the mean change of the function from these to the sample.
    """
    twin = copy_to_explain(network, X)
    encoder = Encoder(twin, tap_of(twin, network.layer, network, X), network.pooling)
    parts, rows = np.zeros(X.shape), np.arange(len(X))
    for n_steps in N_STEPS:
        size = max(1, min(MAX_ROWS, MAX_ELEMENTS // X.shape[1]) // n_steps)
        for batch in gen_batches(len(rows), size):
            some = rows[batch]
            parts[some] = _mean_parts(
                encoder, X[some], slope[some], starts[some], n_steps
            )
        off = np.abs(parts[rows].sum(axis=1) - change[rows])
        rows = rows[off > MAX_ERROR * np.abs(parts[rows]).sum(axis=1)]
        if len(rows) == 0:
            break
    return parts


def _mean_parts(
    encoder: Encoder, X: NDArray, slope: NDArray, starts: NDArray, n_steps: int
) -> NDArray[np.float64]:
    """Average the contributions over the rows where lines to each sample start."""
    like = first_parameter(encoder.twin)
    ends, slopes = (torch.as_tensor(part).to(like) for part in (X, slope))
    total = np.zeros(X.shape)
    for start in starts.swapaxes(0, 1):
        gradient = _mean_gradient(
            encoder, torch.as_tensor(start).to(like), ends, slopes, n_steps
        )
        total += (X - start) * gradient.double().cpu().numpy()
    return total / starts.shape[1]


def _mean_gradient(
    encoder: Encoder, start: Tensor, end: Tensor, slope: Tensor, n_steps: int
) -> Tensor:
    """Average gradients at the middles of equal parts of each line."""
    share = (torch.arange(n_steps).to(end) + 0.5) / n_steps
    points = start[:, None] + share[:, None] * (end - start)[:, None]
    points = points.flatten(0, 1).requires_grad_()
    with torch.enable_grad():
        Z = encoder(points)
        value = (slope.repeat_interleave(n_steps, dim=0) * Z).sum()
        gradients = torch.autograd.grad(value, points)[0]
    return gradients.unflatten(0, (-1, n_steps)).mean(dim=1)

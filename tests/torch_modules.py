"""Small torch modules for the tests; importable, so that they can be pickled."""

import torch


class RowWise(torch.nn.Module):
    """Takes rows of any width, as scikit-learn's checks have them.

    It has no parameters: joblib's hash, by which the checks look for changes, differs
    between a tensor and its copy.
    """

    def __init__(self):
        super().__init__()
        self.body = torch.nn.Tanh()

    def forward(self, X):
        return self.body(X)


class NoOptimizer:
    """Stands for the optimizer of a module without parameters."""

    def __init__(self, params, lr):
        pass

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass

"""Models of every kind that can be saved, fitted once."""

import numpy as np
import pytest
from saved import make_models


@pytest.fixture(scope="session")
def models(digits):
    """Fitted models of digits with text labels, and the types in them."""
    X, _, y, _ = digits
    X, y = X[:600], np.char.add("digit ", y[:600].astype(str))
    return {
        name: (model.fit(X, y), types)
        for name, (model, types) in make_models(X, y).items()
    }

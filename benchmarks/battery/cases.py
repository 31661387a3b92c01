"""Cases: a fitted model, and rows of a table, texts or images for it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

N_TRAIN = 180
NUMBERS, CATEGORIES = ["age", "income", "months"], ["job", "region"]
OTHERS = {
    "bad": ["awful plot", "boring film", "poor acting", "awful acting"],
    "good": ["lovely plot", "great film", "fine acting", "great acting"],
}


class Case(NamedTuple):
    """A fitted model with rows to train and to test on.

    `columns` are the names that the user knows the columns by: None for models of
    texts and images. `black_box` is what the report compares with. `module` makes the
    network anew, for files. `trusted` are the types that a file of the model needs.
    """

    model: Any
    X: Any
    y: Any
    X_test: Any
    y_test: Any
    columns: list[str] | None = None
    black_box: Any = None
    module: Callable[[], Any] | None = None
    trusted: tuple[str, ...] = ()
    words: bool = False


def number_rows(dtype=np.float64):
    """Rows of five numbers, and three classes by two of them."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(240, 5)).astype(dtype)
    y = (X[:, 0] > 0.4).astype(int) + (X[:, 1] > 0)
    return X, y


def mixed_rows():
    """A DataFrame with numbers, missing values and categories, and two classes."""
    rng = np.random.RandomState(0)
    frame = pd.DataFrame(
        {
            "age": rng.randint(18, 80, 240).astype(float),
            "income": rng.lognormal(8, 0.5, 240),
            "months": rng.randint(1, 60, 240),
            "job": rng.choice(["clerk", "nurse", "smith"], 240),
            "region": rng.choice(["north", "south"], 240),
        }
    )
    y = (frame.age > 45) ^ (frame.job == "nurse")
    frame.loc[rng.rand(240) < 0.1, "age"] = np.nan
    return frame, y.to_numpy().astype(int)


def category_rows():
    """The mixed rows, with categories of pandas, of which some are missing."""
    frame, y = mixed_rows()
    missing = np.random.RandomState(1).rand(240) < 0.1
    for name in CATEGORIES:
        frame[name] = frame[name].mask(missing & (name == "region")).astype("category")
    return frame, y


def text_rows():
    """Short texts of two classes."""
    rng = np.random.RandomState(0)
    y = rng.choice(["bad", "good"], 240)
    texts = [" and ".join(rng.choice(OTHERS[label], 3)) for label in y]
    return np.array(texts), y


def image_rows():
    """Images of one channel and 8 x 8 pixels, with a bright corner in one class."""
    rng = np.random.RandomState(0)
    y = rng.randint(0, 2, 240)
    X = rng.rand(240, 1, 8, 8).astype(np.float32)
    X[:, 0, :4, :4] += y[:, None, None]
    return X, y


def before():
    """Return the steps for mixed rows: impute, scale and encode."""
    return make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS),
        (OneHotEncoder(handle_unknown="ignore"), CATEGORIES),
        sparse_threshold=0,
    )


def case(model, rows, *, fit=True, has_labels=True, **about):
    """Fit a model to the first rows; the others are for tests."""
    X, y = rows
    X_train, X_test = X[:N_TRAIN], X[N_TRAIN:]
    if fit:
        model = model.fit(X_train, y[:N_TRAIN])
    if "columns" not in about and getattr(X, "ndim", 1) == 2:
        names = getattr(X, "columns", [f"x{n}" for n in range(X.shape[1])])
        about["columns"] = list(names)
    if "black_box" not in about and hasattr(model, "predict") and has_labels:
        about["black_box"] = model
    return Case(model, X_train, y[:N_TRAIN], X_test, y[N_TRAIN:], **about)


def plain(model):
    """Fit a model to an array of numbers."""
    return case(model, number_rows())


def piped(model):
    """Fit a model behind steps for a DataFrame."""
    return case(make_pipeline(before(), model), mixed_rows())

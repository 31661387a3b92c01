"""Trees of CatBoost, read from its JSON format.

The last split of a tree is the highest bit of the number of a leaf. It is the root
here, as it is where CatBoost computes Shapley values.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def catboost_model(ensemble: Any) -> dict[str, Any]:
    """Read a model; its trees ask the same question at all nodes of a depth."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        ensemble.save_model(str(path), format="json")
        model = json.loads(path.read_text(encoding="utf-8"))
    if "oblivious_trees" not in model:
        raise ValueError(
            "ensemble must have symmetric trees; this "
            f"{type(ensemble).__name__} was fitted with another grow_policy. Fit it "
            "with grow_policy='SymmetricTree'."
        )
    return model


def catboost_values(ensemble: Any) -> list[NDArray[np.float64]]:
    """Return the values of the leaves of each tree, (n_leaves, n_values)."""
    model = catboost_model(ensemble)
    scale = model["scale_and_bias"][0]
    return [
        scale * np.reshape(tree["leaf_values"], (2 ** len(tree["splits"] or ()), -1))
        for tree in model["oblivious_trees"]
    ]


def catboost_splits(ensemble: Any) -> Iterator[tuple[list[int], list[float]]]:
    """Yield the columns that a tree asks for, by depth, and the weights of its leaves.

    A column of -1 is a combination of several columns of categories.
    """
    model = catboost_model(ensemble)
    columns = _columns_of_splits(model["features_info"])
    for tree in model["oblivious_trees"]:
        asked = [
            columns[split["split_index"]] for split in reversed(tree["splits"] or ())
        ]
        yield asked, tree["leaf_weights"]


def catboost_questions(ensemble: Any) -> Iterator[list[tuple[int, float, bool]]]:
    """Yield column, border and the side of NaN (left or not) of each depth of a tree.

    Raises a ValueError for splits of categories, whose values are hashed.
    """
    model = catboost_model(ensemble)
    floats = {
        one["feature_index"]: one for one in model["features_info"]["float_features"]
    }
    for tree in model["oblivious_trees"]:
        splits = (tree["splits"] or [])[::-1]
        if any(split["split_type"] != "FloatFeature" for split in splits):
            raise ValueError("splits of categories")
        known = [floats[split["float_feature_index"]] for split in splits]
        yield [
            (
                one["flat_feature_index"],
                split["border"],
                one["nan_value_treatment"] != "AsTrue",
            )
            for split, one in zip(splits, known, strict=True)
        ]


def _columns_of_splits(info: dict[str, Any]) -> list[int]:
    """List the column of X of each split of the model, in the order of its numbers."""
    numbers, texts = (
        {one["feature_index"]: one["flat_feature_index"] for one in info.get(kind, ())}
        for kind in ("float_features", "categorical_features")
    )
    found = []
    for kind, splits in (
        ("float_features", "borders"),
        ("categorical_features", "values"),
    ):
        for one in info.get(kind, ()):
            found += [one["flat_feature_index"]] * len(one.get(splits) or ())
    for one in info.get("ctrs", ()):
        columns = {
            numbers[part["float_feature_index"]]
            if "float_feature_index" in part
            else texts[part["cat_feature_index"]]
            for part in one["elements"]
        }
        column = columns.pop() if len(columns) == 1 else -1
        found += [column] * len(one["borders"])
    return found

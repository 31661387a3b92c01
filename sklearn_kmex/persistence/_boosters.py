"""Boosted models of other libraries in a file, each in the library's own format.

Before saving, a stand-in takes the place of each model: the name of its class, its
attributes, and its trees as the bytes that the library writes. After loading, the
library reads them. The stand-ins are types like others, which have to be trusted.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex.persistence._booster_trees import check_lightgbm, check_xgboost
from sklearn_kmex.persistence._parts import objects_in
from sklearn_kmex.persistence._refusal import Refusal


class SavedBooster(ABC):
    """Takes the place of a boosted model.

    Attributes
    ----------
    kind : str
        Name of the class, one of `kinds`.

    state : dict
        Attributes other than the trees.

    trees : ndarray of shape (n_bytes,), dtype=uint8
        The trees as the library writes them; without bytes if there are none.
    """

    kinds: ClassVar[dict[str, str]]  # names of classes, and their modules

    def __init__(self, kind: str, state: dict[str, Any], trees: bytes) -> None:
        self.kind = kind
        self.state = state
        self.trees = np.frombuffer(trees, dtype=np.uint8)

    @classmethod
    @abstractmethod
    def of(cls, model: Any) -> "SavedBooster":
        """Return the stand-in of a model."""

    @abstractmethod
    def build(self, kind: Any) -> Any:
        """Return the model, which is of the class `kind`."""


class SavedXGBoost(SavedBooster):
    """A model of XGBoost, with its trees in JSON."""

    kinds: ClassVar[dict[str, str]] = {
        "Booster": "xgboost.core",
        **dict.fromkeys(
            (f"XGB{kind}" for kind in ("Classifier", "Regressor", "Ranker")),
            "xgboost.sklearn",
        ),
        **dict.fromkeys(
            (f"XGBRF{kind}" for kind in ("Classifier", "Regressor")), "xgboost.sklearn"
        ),
    }

    @classmethod
    def of(cls, model: Any) -> SavedBooster:
        if hasattr(model, "save_raw"):
            return cls(type(model).__name__, {}, bytes(model.save_raw("json")))
        state = {name: of for name, of in vars(model).items() if name != "_Booster"}
        booster = vars(model).get("_Booster")
        trees = b"" if booster is None else bytes(booster.save_raw("json"))
        return cls(type(model).__name__, state, trees)

    def build(self, kind: Any) -> Any:
        xgboost, booster = import_module("xgboost"), None
        if len(self.trees):
            check_xgboost(self.trees.tobytes())
            booster = xgboost.Booster({"nthread": self.state.get("n_jobs")})
            booster.load_model(bytearray(self.trees))
        if self.kind == "Booster":
            return booster
        model = kind()
        vars(model).update(self.state)
        if booster is not None:
            model._Booster = booster
        return model


class SavedLightGBM(SavedBooster):
    """A model of LightGBM, with its trees as text."""

    kinds: ClassVar[dict[str, str]] = {
        "Booster": "lightgbm.basic",
        **dict.fromkeys(
            ("LGBMClassifier", "LGBMRegressor", "LGBMRanker"), "lightgbm.sklearn"
        ),
    }

    @classmethod
    def of(cls, model: Any) -> SavedBooster:
        if hasattr(model, "model_to_string"):
            booster, state = model, {}
        else:
            booster = model._Booster
            state = {n: _plain(of) for n, of in vars(model).items() if n != "_Booster"}
        if booster is None:
            return cls(type(model).__name__, state, b"")
        state["best_iteration"] = booster.best_iteration
        text = booster.model_to_string(num_iteration=-1)
        return cls(type(model).__name__, state, text.encode())

    def build(self, kind: Any) -> Any:
        state, booster = dict(self.state), None
        if len(self.trees):
            check_lightgbm(self.trees.tobytes())
            lightgbm = import_module("lightgbm")
            booster = lightgbm.Booster(model_str=self.trees.tobytes().decode())
            booster.best_iteration = state.pop("best_iteration")
        if self.kind == "Booster":
            return booster
        model = kind()
        vars(model).update(state, _Booster=booster)
        return model


def _plain(value: Any) -> Any:
    """Turn records of a training, which are dicts of other types, into dicts."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value


class SavedCatBoost(SavedBooster):
    """A model of CatBoost, in its binary format."""

    kinds: ClassVar[dict[str, str]] = dict.fromkeys(
        ("CatBoost", "CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker"),
        "catboost.core",
    )
    own: ClassVar[set[str]] = {"_object", "_init_params", "_canonized_params"}

    @classmethod
    def of(cls, model: Any) -> SavedBooster:
        state = {name: of for name, of in vars(model).items() if name not in cls.own}
        trees = b""
        if model.is_fitted():
            with TemporaryDirectory() as folder:
                path = Path(folder) / "trees.cbm"
                model.save_model(str(path))
                trees = path.read_bytes()
        return cls(type(model).__name__, {"params": model.get_params(), **state}, trees)

    def build(self, kind: Any) -> Any:
        state = dict(self.state)
        params = state.pop("params")
        model = kind(params) if self.kind == "CatBoost" else kind(**params)
        if len(self.trees):
            model.load_model(blob=self.trees.tobytes())
        vars(model).update(state)
        return model


SAVED: tuple[type[SavedBooster], ...] = (SavedXGBoost, SavedLightGBM, SavedCatBoost)
OF_MODELS: dict[str, Callable[[Any], SavedBooster]] = {
    f"{module}.{name}": one.of for one in SAVED for name, module in one.kinds.items()
}


def without_boosters(psem: Any) -> Any:
    """Copy a model, with stand-ins in place of boosted models, if there are any."""
    found = {
        id(one): OF_MODELS[name](one)
        for one in objects_in(psem)
        if (name := f"{type(one).__module__}.{type(one).__name__}") in OF_MODELS
    }
    return copy.deepcopy(psem, dict(found)) if found else psem


def with_boosters(psem: Any) -> Any:
    """Copy a model, with boosted models in place of their stand-ins."""
    found = {
        id(one): _build(one)
        for one in objects_in(psem)
        if isinstance(one, SavedBooster)
    }
    return copy.deepcopy(psem, dict(found)) if found else psem


def _build(saved: SavedBooster) -> Any:
    """Build a model from its stand-in; names of classes are those of the library."""
    kind, state, trees = saved.kind, saved.state, saved.trees
    valid = isinstance(state, dict) and isinstance(kind, str) and kind in saved.kinds
    if not (valid and _are_bytes(trees)):
        raise Refusal(f"its {type(saved).__name__} is not a model of the library")
    return saved.build(getattr(import_module(saved.kinds[kind]), kind))


def _are_bytes(trees: NDArray) -> bool:
    known = isinstance(trees, np.ndarray) and trees.dtype == np.uint8
    return known and trees.ndim == 1

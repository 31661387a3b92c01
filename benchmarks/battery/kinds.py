"""All kinds of models, by what they need."""

from importlib.util import find_spec

from battery import tables, texts


def all_kinds():
    """Return the kinds of each group that the environment has."""
    groups = {"tables": tables.KINDS, "texts": texts.KINDS}
    if find_spec("xgboost"):
        from battery.boosters import xgboost_kinds

        groups["XGBoost"] = xgboost_kinds()
    if find_spec("lightgbm"):
        from battery.boosters import lightgbm_kinds

        groups["LightGBM"] = lightgbm_kinds()
    if find_spec("catboost"):
        from battery.boosters import catboost_kinds

        groups["CatBoost"] = catboost_kinds()
    if find_spec("skorch"):
        from battery.networks import network_kinds

        groups["networks"] = network_kinds()
    return groups

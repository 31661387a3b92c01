"""Kinds of models of XGBoost, LightGBM and CatBoost."""

from functools import partial

from sklearn.pipeline import make_pipeline

from battery.cases import before, case, category_rows, mixed_rows, number_rows

XGBOOST = {"n_estimators": 10, "max_depth": 3, "n_jobs": 1, "random_state": 0}
LIGHTGBM = {"n_estimators": 10, "num_leaves": 7, "n_jobs": 1, "random_state": 0}
LIGHTGBM |= {"min_child_samples": 5, "verbose": -1}
CATBOOST = {"iterations": 10, "depth": 3, "thread_count": 1, "random_seed": 0}
CATBOOST |= {"verbose": False, "allow_writing_files": False}


def xgboost_kinds():
    from xgboost import XGBClassifier, XGBRegressor, XGBRFClassifier

    make = partial(XGBClassifier, **XGBOOST)
    return {
        "XGBClassifier, array": lambda: of_xgboost(make(), number_rows()),
        "XGBClassifier, table": lambda: of_xgboost(steps(make()), mixed_rows()),
        "XGBClassifier, categories": lambda: of_xgboost(
            make(enable_categorical=True), category_rows()
        ),
        "XGBClassifier, dart": lambda: of_xgboost(
            make(booster="dart", rate_drop=0.3), number_rows()
        ),
        "XGBClassifier, gblinear": lambda: of_xgboost(
            XGBClassifier(booster="gblinear", n_estimators=5), number_rows()
        ),
        "XGBRFClassifier, array": lambda: of_xgboost(
            XGBRFClassifier(**XGBOOST), number_rows()
        ),
        "XGBRegressor, table": lambda: of_xgboost(
            steps(XGBRegressor(**XGBOOST)), mixed_rows(), has_labels=False
        ),
        "xgboost.Booster": _xgboost_booster,
    }


def lightgbm_kinds():
    from lightgbm import LGBMClassifier, LGBMRanker, LGBMRegressor

    make = partial(LGBMClassifier, **LIGHTGBM)
    return {
        "LGBMClassifier, array": lambda: of_lightgbm(make(), number_rows()),
        "LGBMClassifier, table": lambda: of_lightgbm(steps(make()), mixed_rows()),
        "LGBMClassifier, categories": lambda: of_lightgbm(make(), category_rows()),
        "LGBMClassifier, dart": lambda: of_lightgbm(
            make(boosting_type="dart"), number_rows()
        ),
        "LGBMRegressor, table": lambda: of_lightgbm(
            steps(LGBMRegressor(**LIGHTGBM)), mixed_rows(), has_labels=False
        ),
        "LGBMRanker, array": lambda: of_lightgbm(
            LGBMRanker(**LIGHTGBM).fit(*_ranked(), group=[90, 90]),
            number_rows(),
            fit=False,
            has_labels=False,
        ),
        "lightgbm.Booster": lambda: of_lightgbm(
            make().fit(*_ranked()).booster_, number_rows(), fit=False, has_labels=False
        ),
    }


def catboost_kinds():
    from catboost import CatBoost, CatBoostClassifier, CatBoostRegressor

    make = partial(CatBoostClassifier, **CATBOOST)
    return {
        "CatBoostClassifier, array": lambda: of_catboost(make(), number_rows()),
        "CatBoostClassifier, table": lambda: of_catboost(steps(make()), mixed_rows()),
        "CatBoostClassifier, categories": lambda: of_catboost(
            make(cat_features=["job", "region"]), mixed_rows()
        ),
        "CatBoostRegressor, table": lambda: of_catboost(
            steps(CatBoostRegressor(**CATBOOST)), mixed_rows(), has_labels=False
        ),
        "CatBoost, array": lambda: of_catboost(
            CatBoost(CATBOOST | {"loss_function": "MultiClass"}),
            number_rows(),
            has_labels=False,
        ),
    }


def steps(model):
    return make_pipeline(before(), model)


of_xgboost = partial(case, trusted=("xgboost",))
of_lightgbm = partial(case, trusted=("lightgbm",))
of_catboost = partial(case, trusted=("catboost",))


def _ranked():
    X, y = number_rows()
    return X[:180], y[:180]


def _xgboost_booster():
    import xgboost

    X, y = _ranked()
    settings = {"max_depth": 3, "objective": "multi:softprob", "num_class": 3}
    booster = xgboost.train(settings, xgboost.DMatrix(X, y), 10)
    return of_xgboost(booster, number_rows(), fit=False, has_labels=False)

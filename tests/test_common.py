"""scikit-learn's own checks, and those that `check_estimator` leaves out."""

import importlib.util

import numpy as np
import pytest
from discovery import public_estimators
from sklearn.cluster import KMeans
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_kmex import KMExClassifier
from sklearn_kmex.embedding import SkorchEmbedder, TorchEmbedder

pytestmark = [
    # The checks' data have fewer rows in a class than the default asks prototypes of.
    pytest.mark.filterwarnings("ignore::sklearn_kmex.exceptions.KMExWarning"),
    # The checks fit on arrays and transform frames, and the other way round.
    pytest.mark.filterwarnings("ignore:X .*feature names"),
    # A check without the package or setting that it needs skips itself by a warning.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning"),
]

LEFT_OUT = [
    "check_param_validation",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_global_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_global_set_output_transform_polars",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_get_feature_names_out_error",
    "check_dataframe_column_names_consistency",
    "check_inplace_ensure_writeable",
]


def instances():
    """Every public estimator, the classifier in each of its ways to decide."""
    classifiers = [
        KMExClassifier(),
        KMExClassifier(1, similarity="gaussian", aggregation="sum"),
        KMExClassifier(2, prototype="medoid", temperature=0.5, max_samples=0.5),
        KMExClassifier(2, clusterer=KMeans(n_init=2, random_state=0)),
    ]
    if importlib.util.find_spec("torch") is None:
        return classifiers
    return [*classifiers, *embedders()]


def embedders():
    """Embedders of a model without weights, which takes rows of any width."""
    from skorch import NeuralNetClassifier
    from torch_modules import NoOptimizer, RowWise

    net = NeuralNetClassifier(
        RowWise(), optimizer=NoOptimizer, max_epochs=0, verbose=0
    ).initialize()
    return [TorchEmbedder(RowWise(), "body"), SkorchEmbedder(net, "body")]


INSTANCES = instances()


def test_every_public_estimator_is_checked():
    expected = set(public_estimators())
    if importlib.util.find_spec("torch") is None:
        expected -= {TorchEmbedder, SkorchEmbedder}
    assert {type(estimator) for estimator in INSTANCES} == expected


def expected_failures(estimator):
    if getattr(estimator, "n_prototypes", 1) == 1:
        return {}
    reason = (
        "k-means starts from rows drawn by their place, which the check shuffles; "
        "scikit-learn's KMeans is expected to fail it too"
    )
    kinds = ("dense", "sparse")
    return {f"check_sample_weight_equivalence_on_{kind}_data": reason for kind in kinds}


@parametrize_with_checks(INSTANCES, expected_failed_checks=expected_failures)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", LEFT_OUT)
@pytest.mark.parametrize("estimator", INSTANCES, ids=repr)
def test_checks_that_check_estimator_leaves_out(estimator, name):
    check = getattr(estimator_checks, name)
    check(type(estimator).__name__, estimator)


@pytest.mark.parametrize("estimator", INSTANCES, ids=repr)
def test_clone_and_failed_fit_leave_no_trace(estimator):
    with pytest.raises(ValueError, match="NaN"):
        estimator.fit(np.array([[1.0], [np.nan]]), [0, 1])
    assert not [name for name in vars(estimator) if name.endswith("_")]

"""Callbacks of scikit-learn hear of each class, once, and of the end."""

import pickle

import numpy as np
import pytest
from joblib import parallel_config
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier, KMExClassifierCV, make_kmex
from sklearn_kmex.embedding import MLPEmbedder

callback = pytest.importorskip("sklearn.callback")  # scikit-learn 1.9

CLASSES = ["class-0", "class-1", "class-2"]
# Classes are clustered one by one, each in a job of its own.
ALONE = KMeans(n_init=1)


class Recorder:
    """Writes down what it is told; a list that processes would not share."""

    def __init__(self, fail_at=None):
        self.heard, self.fitted, self.fail_at = [], [], fail_at

    def hear(self, what, context):
        self.heard.append((what, context.task_name))
        if context.task_name == self.fail_at:
            raise RuntimeError("heard enough")

    def setup(self, estimator, context):
        self.hear("setup", context)

    def teardown(self, estimator, context):
        self.hear("teardown", context)

    def on_fit_task_begin(self, estimator, context):
        self.hear("begin", context)

    def on_fit_task_end(self, estimator, context, *, X, fitted_estimator):
        self.hear("end", context)
        if hasattr(fitted_estimator, "predict"):
            self.fitted.append(fitted_estimator.predict(X))

    def names(self, what):
        return [name for event, name in self.heard if event == what]


class EverywhereRecorder(Recorder):
    max_propagation_depth = None


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_one_subtask_for_each_class(blobs, n_jobs):
    X, y = blobs
    recorder = Recorder()
    psem = KMExClassifier(2, clusterer=ALONE, random_state=0, n_jobs=n_jobs)
    psem.set_callbacks(recorder).fit(X, y)
    of_classes = [(what, name) for name in CLASSES for what in ("begin", "end")]
    assert recorder.heard == [
        *[("setup", "fit"), ("begin", "fit")],
        *of_classes,
        *[("end", "fit"), ("teardown", "fit")],
    ]
    (at_the_end,) = recorder.fitted
    assert_array_equal(at_the_end, psem.predict(X))
    silent = KMExClassifier(2, clusterer=ALONE, random_state=0).fit(X, y)
    assert_array_equal(psem.prototypes_, silent.prototypes_)
    assert psem.temperature_ == silent.temperature_


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize(
    ("estimator", "n_folds", "times"),
    [
        (KMExClassifier("auto"), 3, 1),
        (KMExClassifier("auto", similarity="auto"), 3, 2),  # few prototypes last
        (KMExClassifierCV(2), 5, 2),  # rows as they are, and unit rows
        (KMExClassifierCV(2, metric="euclidean"), 5, 1),
    ],
)
def test_the_folds_that_are_compared(blobs, estimator, n_folds, times, n_jobs):
    recorder = Recorder()
    estimator = clone(estimator).set_params(n_init=1, n_jobs=n_jobs)
    estimator.set_callbacks(recorder).fit(*blobs)
    folds = [f"folds-0-to-{n_folds - 1}-class-{c}" for c in range(3)] * times
    assert recorder.names("begin") == ["fit", "choose", *folds, *CLASSES]
    assert recorder.names("end") == [*folds, "choose", *CLASSES, "fit"]


def test_medoids_are_found_in_each_fold_alone(blobs):
    recorder = Recorder()
    psem = KMExClassifierCV(2, cv=2, metric="euclidean", prototype="medoid", n_init=1)
    psem.set_callbacks(recorder).fit(*blobs)
    folds = [f"fold-{k}-class-{c}" for c in range(3) for k in range(2)]
    assert recorder.names("begin") == ["fit", "choose", *folds, *CLASSES]


def test_shares_and_merges_take_no_further_subtasks(blobs):
    recorder = Recorder()
    psem = KMExClassifier(0.2, merge_threshold=1.0, random_state=0)
    psem.set_callbacks(recorder).fit(*blobs)
    assert psem.n_prototypes_.max() < 6
    assert recorder.names("end") == [*CLASSES, "fit"]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_in_pipelines_and_searches(blobs, n_jobs):
    X, y = blobs
    recorder = EverywhereRecorder()
    kmex = make_pipeline(StandardScaler(), KMExClassifier(1))
    search = GridSearchCV(kmex, {"kmexclassifier__n_prototypes": [1, 2]}, cv=2)
    search.set_params(estimator__kmexclassifier__n_jobs=n_jobs)
    search.set_callbacks(recorder).fit(X, y)
    assert [recorder.names("end").count(name) for name in CLASSES] == [5, 5, 5]
    assert recorder.names("setup") == recorder.names("teardown") == ["fit"]


def test_embedders_pass_callbacks_on(blobs):
    from sklearn.neural_network import MLPClassifier

    X, y = blobs
    mlp = MLPClassifier((5,), solver="lbfgs", random_state=0).fit(X, y)
    recorder = EverywhereRecorder()  # a warning of no support would be an error
    make_kmex(mlp, n_prototypes=1).set_callbacks(recorder).fit(X, y)
    assert [n for n in recorder.names("end") if n in CLASSES] == CLASSES
    of_embedder = Recorder()
    clone(MLPEmbedder(mlp).set_callbacks(of_embedder)).fit(X)
    assert of_embedder.names("end") == ["fit"]


def test_progress_bars(blobs, capsys):
    pytest.importorskip("rich")
    X, y = blobs
    bar = callback.ProgressBar(max_propagation_depth=None)
    search = GridSearchCV(KMExClassifier(n_init=1), {"n_prototypes": [1, 2]}, cv=2)
    search.set_params(n_jobs=2).set_callbacks(bar).fit(X, y)
    KMExClassifierCV(2, n_init=1).set_callbacks(callback.ProgressBar()).fit(X, y)
    printed = capsys.readouterr().out
    assert "KMExClassifier - fit" in printed
    assert "choose" in printed
    assert "100%" in printed


def test_scoring_monitors_see_the_fitted_classifier(blobs):
    X, y = blobs
    monitor = callback.ScoringMonitor(scoring="accuracy")
    psem = KMExClassifier(2, random_state=0).set_callbacks(monitor).fit(X, y)
    assert monitor.get_logs().data[0]["accuracy"] == psem.score(X, y)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("fail_at", ["fit", "class-1"])
def test_a_callback_that_fails_ends_fit_and_is_torn_down(blobs, fail_at, n_jobs):
    recorder = Recorder(fail_at=fail_at)
    psem = KMExClassifier(1, clusterer=ALONE, n_jobs=n_jobs).set_callbacks(recorder)
    with pytest.raises(RuntimeError, match="heard enough"):
        psem.fit(*blobs)
    assert recorder.heard[-1] == ("teardown", "fit")
    assert set(vars(psem)) == {*psem.get_params(deep=False), "_skl_callbacks"}
    psem.set_callbacks().fit(*blobs)


def test_a_fit_that_fails_tears_callbacks_down(blobs):
    X, y = blobs
    recorder = Recorder()
    psem = KMExClassifier(clusterer=StandardScaler()).set_callbacks(recorder)
    with pytest.raises(ValueError, match="parameter n_clusters"):
        psem.fit(X, y)
    assert recorder.heard[-1] == ("teardown", "fit")
    assert set(vars(psem)) == {*psem.get_params(deep=False), "_skl_callbacks"}


def test_a_backend_that_hands_out_all_results_at_once(blobs):
    recorder = Recorder()
    psem = KMExClassifier(1, clusterer=ALONE, n_jobs=2).set_callbacks(recorder)
    with parallel_config(backend="multiprocessing"):
        psem.fit(*blobs)
    assert recorder.names("end") == [*CLASSES, "fit"]


def test_clones_and_pickles(blobs):
    X, y = blobs
    recorder = Recorder()
    psem = KMExClassifier(1, random_state=0).set_callbacks(recorder).fit(X, y)
    copied = pickle.loads(pickle.dumps(psem))
    assert_array_equal(copied.predict(X), psem.predict(X))
    clone(psem).fit(X, y)  # scikit-learn's clones share callbacks
    assert recorder.names("end").count("fit") == 2
    assert not [n for n in vars(psem) if "callback_fit" in n or "teardown" in n]


def test_batches_of_a_stream_are_not_told(blobs):
    recorder = Recorder()
    KMExClassifier(1).set_callbacks(recorder).partial_fit(*blobs)
    assert recorder.heard == []
    assert np.array(recorder.fitted).size == 0

"""forget_rows: the model of the rows that remain, as k-means would find it."""

import json
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier, RejectingClassifier, make_kmex
from sklearn_kmex._model.metric import METRICS
from sklearn_kmex.edit import add_prototypes, drop_prototypes, forget_rows
from sklearn_kmex.embedding import TreeEmbedder
from sklearn_kmex.exceptions import KMExWarning
from sklearn_kmex.explain import explain
from sklearn_kmex.persistence import load_psem, save_psem
from sklearn_kmex.report import SEMReport

X, Y = load_wine(return_X_y=True)
X = StandardScaler().fit_transform(X)
GONE = np.random.RandomState(1).permutation(len(X))[:15]
KEPT = np.setdiff1d(np.arange(len(X)), GONE)


def owners_of(rows, labels, psem):
    squared = ((rows[:, np.newaxis] - psem.prototypes_) ** 2).sum(axis=2)
    squared[labels[:, np.newaxis] != psem.prototype_classes_] = np.inf
    return squared.argmin(axis=1)


def forget(psem, gone=GONE, rows=X, labels=Y, **settings):
    """Forget without a warning about the rows that remain."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?s).*(remain are now|represents)")
        return forget_rows(psem, rows[gone], labels[gone], **settings)


@pytest.mark.parametrize("priors", ["uniform", "class", "prototype"])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("with_rows", [False, True])
def test_everything_is_that_of_the_remaining_members(metric, priors, with_rows):
    weights = np.arange(len(X)) % 3 + 1.0
    psem = KMExClassifier(3, metric=metric, priors=priors, tol=0, random_state=0)
    psem.fit(X, Y, weights)
    given = {"X_train": X[KEPT], "y_train": Y[KEPT]} if with_rows else {}
    edited = forget(psem, sample_weight=weights[GONE], **given)

    rows = X / np.linalg.norm(X, axis=1)[:, np.newaxis] if "cosine" in metric else X
    owners, kept = owners_of(rows, Y, psem)[KEPT], rows[KEPT]
    for k in range(9):
        own = owners == k
        mean = np.average(kept[own], axis=0, weights=weights[KEPT][own])
        assert_allclose(edited.prototypes_[k], mean, atol=1e-12)
        assert_allclose(edited._member_means[k], mean, atol=1e-12)
        assert_allclose(edited.prototype_counts_[k], weights[KEPT][own].sum())
    squared = ((kept - edited.prototypes_[owners]) ** 2).sum(axis=1)
    inertia = np.bincount(Y[KEPT], weights[KEPT] * squared)
    assert_allclose(edited.inertia_, inertia)
    mass = np.bincount(Y[KEPT], weights[KEPT])
    if priors != "uniform":
        assert_allclose(edited.class_prior_, mass / mass.sum())
    assert edited.temperature_ == psem.temperature_
    assert_array_equal(edited.metric_map_, psem.metric_map_)
    assert len(psem.edit_log_) == 0
    assert psem.prototype_counts_.sum() == weights.sum()


@pytest.mark.parametrize("metric", ["mahalanobis", "cosine_mahalanobis"])
def test_a_stream_goes_on_with_the_covariance_of_the_remaining_rows(metric):
    psem = KMExClassifier(3, metric=metric, random_state=0).fit(X, Y)
    products, _ = forget(psem)._scatter
    expected, _ = KMExClassifier(3, metric=metric).fit(X[KEPT], Y[KEPT])._scatter
    assert_allclose(products, expected, atol=1e-12)
    forget(psem).partial_fit(X[GONE], Y[GONE])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_predictions_are_those_of_k_means_from_the_same_prototypes(share, dtype):
    images, digits = load_digits(return_X_y=True)
    images = images.astype(dtype)
    psem = KMExClassifier(5, random_state=0).fit(images, digits)
    gone = np.random.RandomState(0).random(len(images)) < share
    rest = {"X_train": images[~gone], "y_train": digits[~gone]}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        edited = forget_rows(psem, images[gone], digits[gone], **rest)
    again = KMExClassifier(5, random_state=0).fit(images, digits)
    for label in range(10):
        own, rows = psem.prototype_classes_ == label, images[~gone & (digits == label)]
        start = psem.prototypes_[own]
        found = KMeans(len(start), init=start, n_init=1, tol=0).fit(rows)
        again.prototypes_[own] = found.cluster_centers_
    assert_allclose(
        np.sort(edited.prototypes_, axis=0),
        np.sort(again.prototypes_, axis=0),
        atol=1e-4,
    )
    assert np.mean(edited.predict(images) == again.predict(images)) >= 0.999
    owners = owners_of(images[~gone], digits[~gone], edited)
    apart = images[~gone] - edited.prototypes_[owners].astype(np.float64)
    squared = np.where(owners == np.arange(50)[:, np.newaxis], (apart**2).sum(1), 1e9)
    assert_array_equal(edited.prototype_indices_, squared.argmin(axis=1))


def test_k_means_stops_as_in_fit():
    rng = np.random.RandomState(0)
    rows, labels = rng.normal(size=(2000, 3)), np.repeat([0, 1], [1900, 100])
    psem = KMExClassifier({0: 8, 1: 1}, tol=1e-2, random_state=0).fit(rows, labels)
    kept = np.arange(200, 2000)
    rest = {"X_train": rows[kept], "y_train": labels[kept]}
    edited = forget(psem, np.arange(200), rows, labels, **rest)
    exact = KMeans(8, init=psem.prototypes_[:8], n_init=1, tol=0).fit(rows[200:1900])
    rough = clone(exact).set_params(tol=1e-2).fit(rows[200:1900])
    assert rough.n_iter_ < exact.n_iter_
    assert_allclose(edited.prototypes_[:8], rough.cluster_centers_, atol=1e-9)


@pytest.mark.parametrize("metric", ["euclidean", "cosine_mahalanobis"])
def test_prototypes_come_to_rest_at_the_means_of_their_rows(metric):
    weights = np.arange(len(X)) % 3 + 1.0
    psem = KMExClassifier(4, metric=metric, random_state=0).fit(X, Y, weights)
    gone = np.flatnonzero((Y == 1) & (np.random.RandomState(0).random(len(X)) < 0.5))
    kept = np.setdiff1d(np.arange(len(X)), gone)
    given = {"X_train": X[kept], "y_train": Y[kept], "train_weight": weights[kept]}
    alone = forget(psem, gone, sample_weight=weights[gone])
    edited = forget_rows(psem, X[gone], Y[gone], sample_weight=weights[gone], **given)
    assert abs(edited.prototypes_ - alone.prototypes_).max() > 0.01
    rows = X / np.linalg.norm(X, axis=1)[:, np.newaxis] if "cos" in metric else X
    owners = owners_of(rows[kept], Y[kept], edited)
    for k in range(len(edited.prototypes_)):
        own = kept[owners == k]
        mean = np.average(rows[own], axis=0, weights=weights[own])
        assert_allclose(edited.prototypes_[k], mean, atol=1e-12)
        assert_allclose(edited._member_means[k], mean, atol=1e-12)
        assert_allclose(edited.prototype_counts_[k], weights[own].sum())
        assert edited.prototype_indices_[k] in np.flatnonzero(owners == k)
    squared = ((rows[kept] - edited.prototypes_[owners]) ** 2).sum(axis=1)
    assert_allclose(edited.inertia_, np.bincount(Y[kept], weights[kept] * squared))
    entry = edited.edit_log_[0]
    assert (psem.prototype_classes_[entry["ids_before"]] == 1).all()
    untouched = np.setdiff1d(np.arange(len(psem.prototypes_)), entry["ids_before"])
    new = [entry["new_ids"][k] for k in untouched]
    assert_array_equal(edited.prototypes_[new], psem.prototypes_[untouched])


def test_examples_are_rows_that_remain():
    psem = KMExClassifier(3, random_state=0).fit(X, Y)
    gone = np.r_[psem.prototype_indices_[[0, 4]], 0]
    kept = np.setdiff1d(np.arange(len(X)), gone)
    edited = forget(psem, gone, X_train=X[kept], y_train=Y[kept])
    owners = owners_of(X[kept], Y[kept], edited)
    for k, row in enumerate(edited.prototype_indices_):
        squared = ((X[kept] - edited.prototypes_[k]) ** 2).sum(axis=1)
        assert row == np.where(owners == k, squared, np.inf).argmin()
        assert_array_equal(edited._nearest_rows[k], X[kept][row])
    assert edited.n_samples_seen_ == len(kept)
    explain(edited, X[:5], X_train=X[kept], y_train=Y[kept])


def test_without_the_other_rows_a_forgotten_example_is_not_replaced():
    psem = KMExClassifier(3, random_state=0).fit(X, Y)
    example = psem.prototype_indices_[[4]]
    with pytest.warns(KMExWarning, match=r"represents prototypes \[4\].*Pass X_train"):
        edited = forget_rows(psem, X[example] + 1e-9, Y[example])
    expected = psem.prototype_indices_.copy()
    expected[4] = -1
    assert_array_equal(edited.prototype_indices_, expected)
    # Nothing of the row is left: its place has the mean of the others.
    assert_array_equal(edited._nearest_rows[4], edited.prototypes_[4])
    with pytest.warns(KMExWarning, match=r"represents prototypes \[4\]"):
        again = forget_rows(edited, X[:1], Y[:1])
    assert again.prototype_indices_[4] == -1


SIX = np.array([0.0, 0, 0, 5, 8, 13, 13, 30, 31])[:, np.newaxis]
OF_SIX = np.array([0, 0, 0, 0, 0, 0, 0, 1, 1])


def test_rows_move_to_another_prototype():
    """Without the zeros, 8 is nearer to 5 than to the mean of 8, 13 and 13."""
    psem = KMExClassifier(2, random_state=0).fit(SIX, OF_SIX)
    assert_allclose(np.sort(psem.prototypes_[:2, 0]), [1.25, 34 / 3])
    alone = forget(psem, np.arange(3), SIX, OF_SIX)
    assert_allclose(np.sort(alone.prototypes_[:2, 0]), [5, 34 / 3])
    rest = {"X_train": SIX[3:], "y_train": OF_SIX[3:]}
    edited = forget_rows(psem, SIX[:3], OF_SIX[:3], **rest)
    assert_allclose(np.sort(edited.prototypes_[:2, 0]), [6.5, 13])
    assert_allclose(edited.inertia_, [4.5, 0])
    assert_array_equal(edited.prototype_counts_[:2], [2, 2])


def test_the_number_of_steps_is_limited():
    psem = KMExClassifier(2, max_iter=1, random_state=0).fit(SIX, OF_SIX)
    rest = {"X_train": SIX[3:], "y_train": OF_SIX[3:]}
    edited = forget_rows(psem, SIX[:3], OF_SIX[:3], **rest)
    assert_allclose(np.sort(edited.prototypes_[:2, 0]), [5, 34 / 3])
    assert_allclose(np.sort(edited._member_means[:2, 0]), [6.5, 13])
    assert_allclose(edited.inertia_, [9 + 2 * (5 / 3) ** 2, 0])


@pytest.mark.parametrize("why", ["edit", "weights", "part", "sample", "stream"])
def test_k_means_does_not_go_on_from_what_it_did_not_find(why):
    """It would undo the edit, or move the prototypes to the means of other rows."""
    rng = np.random.RandomState(3)
    rows, labels = rng.normal(size=(300, 2)), np.tile([0, 1], 150)
    weights = rng.uniform(1, 5, 300) if why == "weights" else np.ones(300)
    psem = KMExClassifier(5, random_state=0)
    if why == "sample":
        psem.set_params(max_samples=0.3)
    if why == "stream":
        psem.partial_fit(rows[:150], labels[:150])
        psem.partial_fit(rows[150:], labels[150:])
    else:
        psem.fit(rows, labels, weights)
    if why == "edit":
        psem = drop_prototypes(psem, [1, 6])
    gone, kept = np.arange(60), np.arange(60, 250 if why == "part" else 300)
    rest = {"X_train": rows[kept], "y_train": labels[kept]}
    given = {"sample_weight": weights[gone]}
    alone = forget(psem, gone, rows, labels, **given)
    edited = forget(psem, gone, rows, labels, **given, **rest)
    assert_array_equal(edited.prototypes_, alone.prototypes_)
    assert_array_equal(edited.prototype_counts_, alone.prototype_counts_)
    assert (edited.prototype_indices_ >= 0).all()
    if why == "edit":
        with pytest.warns(KMExWarning, match=r" of 240 training rows .* \[0, 1\]. k-m"):
            forget_rows(psem, rows[gone], labels[gone], **given, **rest)


def test_a_prototype_without_members_is_dropped():
    psem = KMExClassifier(14, priors="prototype", random_state=0).fit(X, Y)
    alone = int(np.flatnonzero(psem.prototype_counts_ == 1)[0])
    row = psem.prototype_indices_[[alone]]
    edited = forget_rows(psem, X[row], Y[row], reason="request 3")
    assert len(edited.prototypes_) == len(psem.prototypes_) - 1
    (entry,) = edited.edit_log_
    assert entry["new_ids"][alone] is None
    assert entry["ids_before"] == [alone]
    assert entry["ids_after"] == []
    assert_array_equal(edited.prototypes_, np.delete(psem.prototypes_, alone, axis=0))


def test_the_log_has_no_rows_and_no_numbers():
    psem = KMExClassifier(3, random_state=0).fit(X, Y)
    edited = forget(psem, reason="request 17", X_val=X, y_val=Y)
    (entry,) = edited.edit_log_
    assert entry["what"] == "forget_rows"
    assert entry["n_rows"] == 15
    assert entry["reason"] == "request 17"
    assert entry["n_samples"] == len(X)
    assert json.loads(json.dumps(entry)) == entry
    touched = np.unique(owners_of(X[GONE], Y[GONE], psem))
    assert entry["ids_before"] == entry["ids_after"] == touched.tolist()
    state = [v for v in vars(edited).values() if isinstance(v, np.ndarray)]
    for values in state:
        if values.ndim == 2 and values.shape[1] == X.shape[1]:
            assert not (values[:, np.newaxis] == X[GONE]).all(axis=2).any()


def test_medoids():
    psem = KMExClassifier(3, prototype="medoid", random_state=0).fit(X, Y)
    others = np.setdiff1d(GONE, psem.prototype_indices_)
    edited = forget_rows(psem, X[others], Y[others])
    assert_array_equal(edited.prototypes_, psem.prototypes_)
    assert_array_equal(edited._nearest_rows, psem._nearest_rows)
    gone = psem.prototype_indices_[[5]]
    with pytest.raises(ValueError, match=r"X_train and y_train must .* \[5\] after"):
        forget_rows(psem, X[gone], Y[gone])
    kept = np.setdiff1d(np.arange(len(X)), gone)
    edited = forget(psem, gone, X_train=X[kept], y_train=Y[kept])
    owners = owners_of(X, Y, psem)[kept]
    mean = X[kept][owners == 5].mean(axis=0)
    squared = ((X[kept] - mean) ** 2).sum(axis=1)
    row = np.where(owners == 5, squared, np.inf).argmin()
    assert_array_equal(edited.prototypes_[5], X[kept][row])
    same = np.arange(9) != 5
    assert_array_equal(edited.prototypes_[same], psem.prototypes_[same])
    assert_array_equal(edited.prototypes_, X[kept][edited.prototype_indices_])


def test_medoids_near_the_means_stay():
    rows, labels = np.arange(4000.0)[:, np.newaxis] % 2000, np.repeat([0, 1], 2000)
    psem = KMExClassifier(2, prototype="medoid", random_state=0).fit(rows, labels)
    assert_allclose(psem.prototypes_, psem._member_means, atol=1)
    gone = np.setdiff1d(np.arange(600), psem.prototype_indices_)
    kept = np.setdiff1d(np.arange(4000), gone)
    rest = {"X_train": rows[kept], "y_train": labels[kept]}
    edited = forget_rows(psem, rows[gone], labels[gone], **rest)
    assert_array_equal(edited.prototypes_, psem.prototypes_)


def test_rows_that_cannot_be_training_rows():
    psem = KMExClassifier(3, random_state=0).fit(X, Y)
    twice = psem.prototype_counts_[0] + 1
    row = psem.prototype_indices_[[0]]
    with pytest.raises(ValueError, match=r"each once; .* nearest to prototype 0"):
        forget_rows(psem, X[row], Y[row], sample_weight=[twice])
    with pytest.raises(ValueError, match=r"leave training rows .* none of \[2\]. Fit"):
        forget_rows(psem, X[Y == 2], Y[Y == 2])
    with pytest.raises(ValueError, match=r"X_rows must .* class 1 .* scaled as in fit"):
        forget_rows(psem, 100 * X[Y == 1][:1], [1])
    for name in ("y_train", "train_weight"):
        with pytest.raises(ValueError, match=f"X_train must be given with {name}"):
            forget_rows(psem, X[:1], Y[:1], **{name: Y[1:]})
    with pytest.raises(ValueError, match="y_train must be given with X_train"):
        forget_rows(psem, X[:1], Y[:1], X_train=X[1:])
    with pytest.raises(ValueError, match=r"X_train must hold all .* none of \[0\]"):
        forget_rows(psem, X[:1], Y[:1], X_train=X[Y > 0], y_train=Y[Y > 0])
    with pytest.raises(ValueError, match=r"without those of X_rows; got 178 rows, and"):
        forget_rows(psem, X[:1], Y[:1], X_train=X, y_train=Y)
    with pytest.raises(TypeError, match="must not be a RejectingClassifier"):
        forget_rows(RejectingClassifier(psem, cv=2).fit(X, Y), X[:1], Y[:1])


def test_any_form_of_rows():
    raw, labels = load_wine(return_X_y=True, as_frame=True)
    psem = make_pipeline(StandardScaler(), KMExClassifier(3, random_state=0))
    psem.fit(raw, labels)
    given = {"X_train": raw.iloc[KEPT], "y_train": labels.iloc[KEPT]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KMExWarning)
        edited = forget_rows(psem, raw.iloc[GONE], labels.iloc[GONE], **given)
        plain = forget(psem[-1], X_train=X[KEPT], y_train=Y[KEPT])
        thin = KMExClassifier(3, random_state=0).fit(sparse.csr_array(X), Y)
        full = forget(thin, X_train=X[KEPT], y_train=Y[KEPT])
        thin = forget_rows(
            thin,
            sparse.csr_array(X[GONE]),
            Y[GONE],
            X_train=sparse.csr_array(X[KEPT]),
            y_train=Y[KEPT],
        )
        single = KMExClassifier(3, random_state=0).fit(X.astype(np.float32), Y)
        given = {"X_train": X[KEPT].astype(np.float32), "y_train": Y[KEPT]}
        single = forget_rows(single, X[GONE].astype(np.float32), Y[GONE], **given)
    assert_allclose(edited[-1].prototypes_, plain.prototypes_, atol=1e-12)
    assert_array_equal(edited[-1].prototype_indices_, plain.prototype_indices_)
    assert_allclose(thin.prototypes_, full.prototypes_, atol=1e-12)
    assert_array_equal(thin.prototype_indices_, full.prototype_indices_)
    assert single.prototypes_.dtype == single._member_means.dtype == np.float32
    assert_allclose(single.prototypes_, plain.prototypes_, atol=1e-5)


def test_cosine_examples_have_a_direction():
    rows = np.array([[1.0, 0], [1, 0.1], [1, 0.2], [0, 0], [0, 1], [0.1, 1]])
    labels = np.array([0, 0, 0, 0, 1, 1])
    psem = KMExClassifier(1, metric="cosine", random_state=0)
    with pytest.warns(KMExWarning, match="rows of zeros"):
        psem.fit(rows, labels)
    edited = forget_rows(psem, rows[:2], [0, 0], X_train=rows[2:], y_train=labels[2:])
    assert_array_equal(edited.prototype_indices_, [0, 2])


def test_after_other_edits_files_and_reports_work(tmp_path):
    psem = KMExClassifier(3, random_state=0).fit(X, Y)
    edited = add_prototypes(drop_prototypes(psem, 1), X[:1] + 5, 2)
    edited = forget(edited, GONE[:6], reason="request 4")
    total = psem.prototype_counts_.sum() + 1 - 6
    assert edited.prototype_counts_.sum() == pytest.approx(total)
    text = SEMReport(edited, X, Y).to_dict()["edits"][-1]["text"]
    assert text.startswith("Forgot 6 training rows, which changed prototypes ")
    undone = forget_rows(add_prototypes(psem, X[:1] + 5, 2), X[:1] + 5, [2])
    assert_array_equal(undone.prototypes_, psem.prototypes_)
    # Other rows may be nearest to an added row; they return to their prototypes.
    more = X[150:151] + 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        undone = forget_rows(
            add_prototypes(psem, more, 2), more, [2], X_train=X, y_train=Y
        )
    assert_array_equal(undone.prototypes_, psem.prototypes_)
    assert_array_equal(undone.prototype_indices_, psem.prototype_indices_)
    pytest.importorskip("skops")
    path = tmp_path / "psem.safetensors"
    save_psem(edited, path)
    again = load_psem(path)
    assert_array_equal(again.predict_proba(X), edited.predict_proba(X))
    assert again.edit_log_ == edited.edit_log_


def test_an_encoder_may_round_rows_differently():
    """A row between two prototypes is then nearest to the other one."""
    rng = np.random.RandomState(0)
    rows, labels = rng.normal(size=(4000, 2)), np.repeat([0, 1], [3900, 100])
    psem = KMExClassifier({0: 5, 1: 1}, random_state=0).fit(rows, labels)
    start, gone, kept = psem.prototypes_[:5], np.arange(200), np.arange(200, 4000)
    squared = ((rows[200:3900, np.newaxis] - start) ** 2).sum(axis=2)
    first, second = np.sort(squared, axis=1)[:, :2].T
    row = (second - first).argmin()
    own, other = np.argsort(squared[row])[:2]
    rows = rows.copy()
    rows[200 + row] += 1e-2 * (start[other] - start[own])
    rest = {"X_train": rows[kept], "y_train": labels[kept]}
    edited = forget(psem, gone, rows, labels, **rest)
    again = KMeans(5, init=start, n_init=1).fit(rows[200:3900])
    assert_allclose(edited.prototypes_[:5], again.cluster_centers_, atol=1e-9)
    assert_allclose(edited.inertia_[0], again.inertia_)
    assert_array_equal(edited.prototype_counts_[:5], np.bincount(again.labels_))


def test_texts_of_a_pipeline():
    labels, colors = np.arange(60) % 2, ["red", "blue", "low"]
    texts = [f"{label} {colors[i % 3]} x{i % 7}" for i, label in enumerate(labels)]
    psem = make_pipeline(
        TfidfVectorizer(token_pattern=r"\w+"), KMExClassifier(2, random_state=0)
    )
    psem.fit(texts, labels)
    edited = forget_rows(
        psem, texts[:9], labels[:9], X_train=texts[9:], y_train=labels[9:]
    )
    rows = psem[0].transform(texts[9:]).toarray()
    owners = owners_of(rows, labels[9:], edited[-1])
    for k in range(4):
        assert_allclose(edited[-1].prototypes_[k], rows[owners == k].mean(axis=0))
    assert (edited[-1].prototype_counts_ == np.bincount(owners)).all()


def test_a_forest_embeds_rows_by_other_trees_than_in_fit():
    forest = RandomForestClassifier(10, random_state=0).fit(X, Y)
    psem = make_kmex(forest, n_prototypes=1, random_state=0).fit(X, Y)
    with pytest.warns(KMExWarning, match=r"forest .* only roughly .* out_of_bag=False"):
        forget(psem, np.arange(3))
    exact = make_pipeline(TreeEmbedder(forest, out_of_bag=False), KMExClassifier(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rest = {"X_train": X[3:], "y_train": Y[3:]}
        edited = forget_rows(exact.fit(X, Y), X[:3], Y[:3], **rest)
    mean = exact[0].transform(X[3:][Y[3:] == 0]).mean(axis=0)
    assert_allclose(edited[-1].prototypes_[0], mean)

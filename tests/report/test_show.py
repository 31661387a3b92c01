"""Each sample is shown in its place, as image, text or values."""

from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from sems import Prototypes
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from sklearn_kmex import KMExClassifier
from sklearn_kmex.report import SEMReport


def pixels(content, key):
    data = b64decode(content["pictures"][key].partition(",")[2])
    return np.asarray(Image.open(BytesIO(data)))


def plain(values):
    """Images of a single grey value each, which identifies them."""
    return np.repeat(np.asarray(values, dtype=np.uint8), 25).reshape(-1, 5, 5)


class OfGrey(Prototypes):
    """Compares images by their mean."""

    def transform(self, X):
        return super().transform(np.mean(X, axis=(1, 2)).reshape(-1, 1))


@pytest.fixture(scope="module")
def grey():
    psem = OfGrey([[10], [200]], ["dark", "bright"])
    psem.prototype_indices_ = np.array([2, 0])
    return psem


TRAIN = plain([201, 7, 11])
X, Y = plain([5, 12, 190, 220, 90]), ["dark", "dark", "bright", "bright", "bright"]


def test_each_key_has_the_picture_of_its_row(grey):
    content = SEMReport(grey, X, Y, X_train=TRAIN).to_dict()
    dark, bright = content["prototypes"]
    assert (dark["picture"], bright["picture"]) == ("training-2", "training-0")
    assert pixels(content, "training-2").tolist() == TRAIN[2].tolist()
    assert pixels(content, "training-0").tolist() == TRAIN[0].tolist()
    assert [one["picture"] for one in dark["nearest"]] == [
        "sample-1", "sample-0", "sample-4",
    ]  # fmt: skip
    for case in content["cases"]:
        assert_array_equal(pixels(content, case["picture"]), X[case["row"]])
        for one in case["evidence"]:
            assert one["picture"] == f"training-{one['training_row']}"
            assert one["row"] is None


def test_without_training_rows_a_sample_stands_in(grey):
    content = SEMReport(grey, X, Y).to_dict()
    for case in content["cases"]:
        for one in case["evidence"]:
            best = [1, 2][one["prototype"]]  # sample most similar to the prototype
            other = [0, 3][one["prototype"]]
            assert one["row"] == (other if best == case["row"] else best)


def test_a_single_sample_has_no_stand_in(grey):
    (case,) = SEMReport(grey, X[:1], Y[:1]).to_dict()["cases"]
    assert [one["row"] for one in case["evidence"]] == [None, None]
    assert [one["picture"] for one in case["evidence"]] == [None, None]
    assert case["picture"] == "sample-0"


def test_texts_are_cut_and_on_one_line():
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = ["good\n" + "long " * 200, "bad \0", "good", "bad worse"]
    psem = make_pipeline(TfidfVectorizer(), KMExClassifier(1, random_state=0))
    psem.fit(texts, [1, 0, 1, 0])
    cases = SEMReport(psem, texts, [1, 0, 1, 0]).to_dict()["cases"]
    shown = {case["row"]: case["text"] for case in cases}
    assert len(shown[0]) == 400
    assert shown[0].startswith("good long long")
    assert shown[0].endswith("…")
    assert shown[1] == "bad [U+0000]"


def values_of(card):
    return {one["feature"]: one["value"] for one in card["columns"]}


def test_values_of_prototypes_are_their_own(iris_report, iris_psem, iris):
    names = list(iris[0].columns)
    for card in iris_report.to_dict()["prototypes"]:
        row = iris_psem.prototypes_[card["prototype"]]
        known = {name: f"{v:.4g}" for name, v in zip(names, row, strict=True)}
        assert values_of(card) == known


def test_values_behind_an_encoder_are_those_of_training_rows(iris):
    X, X_test, y, y_test = iris
    psem = make_pipeline(PCA(2), KMExClassifier(2, random_state=0)).fit(X, y)
    content = SEMReport(psem, X_test, y_test, X_train=X).to_dict()
    for card in content["prototypes"]:
        row = X.iloc[psem[-1].prototype_indices_[card["prototype"]]]
        assert values_of(card) == {name: f"{v:.4g}" for name, v in row.items()}


def test_or_else_of_the_most_similar_sample_of_the_class(iris):
    X, X_test, y, y_test = iris
    psem = make_pipeline(PCA(2), KMExClassifier(2, random_state=0)).fit(X, y)
    content = SEMReport(psem, X_test, y_test).to_dict()
    similar = psem.transform(X_test)
    for card in content["prototypes"]:
        own = np.flatnonzero(y_test == card["label"])
        row = X_test.iloc[own[similar[own, card["prototype"]].argmax()]]
        assert values_of(card) == {name: f"{v:.4g}" for name, v in row.items()}


def test_or_of_any_class_where_that_one_has_no_sample(iris):
    X, X_test, y, y_test = iris
    psem = make_pipeline(PCA(2), KMExClassifier(1, random_state=0)).fit(X, y)
    only = np.flatnonzero(y_test == "setosa")
    content = SEMReport(psem, X_test.iloc[only], y_test[only]).to_dict()
    similar = psem.transform(X_test.iloc[only])
    for card in content["prototypes"]:
        row = X_test.iloc[only[similar[:, card["prototype"]].argmax()]]
        assert values_of(card) == {name: f"{v:.4g}" for name, v in row.items()}


def test_columns_without_a_way_back_have_values_but_no_contributions(iris):
    X, X_test, y, y_test = (np.asarray(some) for some in iris)
    from sklearn_kmex import make_kmex

    psem = make_kmex(lambda X: np.sin(3 * X) @ np.ones((4, 2)), n_prototypes=1)
    content = SEMReport(psem.fit(X, y), X_test, y_test).to_dict()
    for case in content["cases"]:
        assert case["contributions"] is None
        assert len(case["columns"]) == 4


@pytest.mark.parametrize(
    "of", ["samples", "pictures", "prototypes", "flat", "channels"]
)
def test_relevance_is_drawn_over_its_picture(grey, of):
    """Only the upper left corner of bright images is relevant."""
    samples, how = X, {}
    psem = grey
    if of == "flat":
        psem, samples = (
            Prototypes(np.repeat([[10], [200]], 25, 1), ["a", "b"]),
            (X.reshape(-1, 25)),
        )
        how = {"image_shape": (5, 5)}
    if of == "channels":
        samples = np.stack([X] * 3, axis=1)
        psem = type(
            "Rgb",
            (Prototypes,),
            {"transform": lambda self, X: Prototypes.transform(self, X[:, 0, 0, :1])},
        )([[10], [200]], ["dark", "bright"])

    def relevance(psem, X, prototypes):
        maps = np.zeros((len(X), 5, 5))
        maps[:, 0, 0] = np.asarray(X).reshape(len(X), -1).max(axis=1) > 100
        if of == "prototypes":
            return np.stack([maps, 0 * maps], axis=1)
        if of == "channels":
            return np.stack([maps / 3] * 3, axis=1)
        return maps.reshape(np.shape(X)) if of in ("samples", "flat") else maps

    y = np.asarray(psem.classes_)[[1, 1, 0, 0, 0]] if of != "flat" else list("aabbb")
    content = SEMReport(psem, samples, y, relevance=relevance, **how).to_dict()
    for case in content["cases"]:
        shown = pixels(content, case["relevance"])
        grey_of = shown.max(axis=-1).astype(int) - shown.min(axis=-1)
        colourful = np.argwhere(grey_of > 2).tolist()
        assert colourful == ([[0, 0]] if X[case["row"]].max() > 100 else [])
        assert shown.shape == (5, 5, 3)


@pytest.mark.parametrize(
    ("maps", "got"),
    [
        (lambda psem, X, prototypes: np.zeros((len(X), 3, 2)), r"\(3, 2\)"),
        (lambda psem, X, prototypes: np.zeros((len(X), 7)), r"\(7,\)"),
    ],
)
def test_maps_of_another_shape_are_refused(grey, maps, got):
    with pytest.raises(ValueError, match=rf"shape of the images, \(5, 5\); got {got}"):
        SEMReport(grey, X, Y, relevance=maps).to_dict()


def test_flat_maps_are_not_folded_into_pictures_of_another_source(digits):
    X, X_test, y, y_test = digits
    psem = KMExClassifier(1, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=r"images, \(8, 8\); got \(64,\)"):
        SEMReport(
            psem,
            X_test,
            y_test,
            images=X_test.reshape(-1, 8, 8),
            relevance=lambda psem, X, prototypes: X,
        ).to_dict()


@pytest.mark.parametrize("relevance", [True, "gradient_x_input", lambda *all: 0])
def test_relevance_of_tables_is_refused_before_any_work(iris, iris_psem, relevance):
    _, X, _, y = iris
    with pytest.raises(
        ValueError, match="relevance must be None unless samples are images"
    ):
        SEMReport(iris_psem, X, y, relevance=relevance)


def test_false_is_no_relevance(iris, iris_psem):
    _, X, _, y = iris
    cases = SEMReport(iris_psem, X, y, relevance=False).to_dict()["cases"]
    assert all(case["relevance"] is None for case in cases)


def test_columns_asked_for_are_shown_first(iris, iris_psem):
    _, X, _, y = iris
    wanted = ["petal width (cm)", 0]
    report = SEMReport(iris_psem, X, y, columns=wanted)
    content = report.to_dict()
    for card in [*content["prototypes"], *content["cases"]]:
        names = [one["feature"] for one in card["columns"]]
        assert names[:2] == ["petal width (cm)", "sepal length (cm)"]
    assert content["data"]["n_columns"] == 4
    with pytest.raises(ValueError, match="columns must be names or numbers"):
        SEMReport(iris_psem, X, y, columns=["colour"])


def test_some_of_many_columns_are_counted():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 20)), np.arange(60) % 2
    X[:, 5] += 4 * y
    psem = KMExClassifier(1, random_state=0).fit(X, y)
    report = SEMReport(psem, X, y, feature_names=[f"c{j}" for j in range(20)])
    content = report.to_dict()
    assert content["prototypes"][0]["columns"][0]["feature"] == "c5"
    assert content["data"]["n_columns"] == 20
    assert len(content["prototypes"][0]["columns"]) == 12
    page = report.to_html()
    assert "12 of 20 columns" in page
    assert "5 of 20 columns" in page
    asked = SEMReport(psem, X, y, columns=[19]).to_dict()["cases"][0]["contributions"]
    assert "x19" in [one["feature"] for one in asked]


def test_columns_of_what_is_no_table(grey):
    with pytest.raises(ValueError, match="columns must be None unless X is a table"):
        SEMReport(grey, X, Y, columns=["age"])


@pytest.mark.parametrize("given", ["counted", "names", "shuffled"])
def test_rows_have_the_labels_of_their_index(iris, iris_psem, given):
    X_train, X_test, y, y_test = iris
    X_train, X_test = X_train.reset_index(drop=True), X_test.reset_index(drop=True)
    if given == "names":
        X_train.index = [f"plant {i}" for i in range(len(X_train))]
        X_test.index = [f"flower {i}" for i in range(len(X_test))]
    if given == "shuffled":
        X_test.index = X_test.index[::-1]
    report = SEMReport(iris_psem, X_test, y_test, X_train=X_train, y_train=y)
    content = report.to_dict()
    for case in content["cases"]:
        row = case["row"]
        labels = {"counted": None, "names": f"flower {row}", "shuffled": f"{74 - row}"}
        assert case["id"] == labels[given]
        for one in case["evidence"]:
            is_known = given == "names"
            assert one["id"] == (f"plant {one['training_row']}" if is_known else None)
    assert ("<bdi>flower" in report.to_html()) == (given == "names")

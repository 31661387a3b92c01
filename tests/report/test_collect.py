"""Reports of many kinds of models and data, in all formats."""

import numpy as np
import pytest
from pages import check_report
from scipy import sparse
from sems import Prototypes, Stubborn
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_kmex import KMExClassifier, RejectingClassifier, make_kmex
from sklearn_kmex.embedding import CachedEmbedder
from sklearn_kmex.report import SEMReport

TEXTS = [f"{what} {i}" for what in ("cheap pills", "dear friend") for i in range(20)]
SPAM = np.repeat(["spam", "ham"], 20)


def kmex(n_prototypes=2, **how):
    return KMExClassifier(n_prototypes, random_state=0, **how)


def test_frame_with_training_rows(iris_report, iris):
    content, page = check_report(iris_report)
    assert content["data"]["samples"]["n_samples"] == 75
    assert content["data"]["samples"]["sample_shape"] == [4]
    assert content["data"]["samples"]["type"] == "DataFrame"
    assert [one["name"] for one in content["data"]["classes"]] == [
        "setosa", "versicolor", "virginica",
    ]  # fmt: skip
    for card in content["prototypes"]:
        assert {one["feature"] for one in card["columns"]} == set(iris[0].columns)
    assert "petal length (cm)" in page.text
    assert content["pictures"] == {}


def test_array_without_training_rows(iris_psem, iris):
    _, X, _, y = iris
    psem = kmex().fit(X.to_numpy(), y)
    content, page = check_report(SEMReport(psem, X.to_numpy(), y))
    assert content["data"]["training"] is None
    assert content["novelty"]["threshold"] is None
    assert content["data"]["n_suspect_labels"] is None
    shown = [one["feature"] for one in content["prototypes"][0]["columns"]]
    assert sorted(shown) == ["x0", "x1", "x2", "x3"]
    assert "The training samples were not given" in page.text


def test_rows_as_lists(iris):
    _, X, _, y = iris
    psem = kmex().fit(X.to_numpy(), y)
    rows = X.to_numpy().tolist()
    content, _ = check_report(SEMReport(psem, rows, y.tolist()))
    as_array = SEMReport(psem, X.to_numpy(), y).to_dict()
    assert content["prototypes"] == as_array["prototypes"]
    assert content["cases"] == as_array["cases"]


def test_mixed_frame():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    X = pandas.DataFrame(
        {
            "age": rng.integers(20, 80, 60),
            "town": rng.choice(["Oslo", "Tromsø"], 60),
            "income": rng.normal(size=60),
        },
        index=np.arange(60) + 1000,
    )
    y = np.where(X["age"] > 50, "old", "young")
    prepare = make_column_transformer(
        (StandardScaler(), ["age", "income"]), (OneHotEncoder(), ["town"])
    )
    psem = make_pipeline(prepare, kmex()).fit(X[:40], y[:40])
    content, page = check_report(
        SEMReport(psem, X[40:], y[40:], X_train=X[:40], y_train=y[:40])
    )
    card = content["prototypes"][0]
    shown = {one["feature"]: one for one in card["columns"]}
    row = X.iloc[card["training_row"]]
    assert shown["town"]["value"] == row["town"]
    assert shown["town"]["rank"] is None
    assert shown["age"]["value"] == str(row["age"])
    assert {one["feature"] for one in content["cases"][0]["contributions"]} == {
        "age", "town", "income",
    }  # fmt: skip
    assert "Tromsø" in page.text


@pytest.mark.parametrize("kind", [list, np.array, "series"])
def test_texts(kind):
    make = pytest.importorskip("pandas").Series if kind == "series" else kind
    psem = make_pipeline(TfidfVectorizer(), kmex()).fit(TEXTS[::2], SPAM[::2])
    X, X_train = make(TEXTS[1::2]), make(TEXTS[::2])
    report = SEMReport(psem, X, SPAM[1::2], X_train=X_train, y_train=SPAM[::2])
    content, page = check_report(report)
    for card in content["prototypes"]:
        assert card["text"] == TEXTS[2 * card["training_row"]]
    for case in content["cases"]:
        assert case["text"] == TEXTS[2 * case["row"] + 1]
        assert all(one["text"] for one in case["evidence"])
    assert "cheap pills" in page.text


def test_texts_without_training_rows():
    psem = make_pipeline(TfidfVectorizer(), kmex()).fit(TEXTS[::2], SPAM[::2])
    content, _ = check_report(SEMReport(psem, TEXTS[1::2], SPAM[1::2]))
    assert all(card["text"] is None for card in content["prototypes"])
    for case in content["cases"]:
        for one in case["evidence"]:
            assert one["row"] != case["row"]
            assert one["text"] == TEXTS[2 * one["row"] + 1]


def test_sparse():
    X = TfidfVectorizer().fit_transform(TEXTS)
    psem = kmex().fit(X[::2], SPAM[::2])
    content, _ = check_report(
        SEMReport(psem, X[1::2], SPAM[1::2], X_train=sparse.coo_matrix(X[::2]))
    )
    assert content["data"]["training"]["labels_sha256"] is None
    assert content["prototypes"][0]["columns"]
    assert content["performance"]["accuracy"]["value"] == 1


@pytest.fixture(scope="module")
def digit_psem(digits):
    X, _, y, _ = digits
    return kmex(3).fit(X, y)


@pytest.mark.parametrize("how", ["shape", "array", "function", "rgb"])
def test_pictures(digits, digit_psem, how):
    X, X_test, y, y_test = digits
    given = {
        "shape": {"image_shape": (8, 8)},
        "array": {
            "images": X_test.reshape(-1, 8, 8), "train_images": X.reshape(-1, 8, 8)
        },
        "function": {"images": lambda rows: rows.reshape(-1, 8, 8, 1)},
        "rgb": {"images": lambda rows: np.stack([rows.reshape(-1, 8, 8)] * 3, axis=1)},
    }[how]  # fmt: skip
    report = SEMReport(digit_psem, X_test, y_test, X_train=X, y_train=y, **given)
    content, page = check_report(report)
    assert len(page.all("img")) > 30
    for card in content["prototypes"]:
        assert card["picture"] == f"training-{card['training_row']}"
        assert card["columns"] is None
        assert [one["picture"] for one in card["nearest"]] == [
            f"sample-{one['row']}" for one in card["nearest"]
        ]
    for case in content["cases"]:
        assert case["picture"] == f"sample-{case['row']}"
        assert all(one["picture"] for one in case["evidence"])


def test_pictures_of_samples_alone(digits, digit_psem):
    _, X, _, y = digits
    content, _ = check_report(SEMReport(digit_psem, X, y, image_shape=(8, 8)))
    assert all(card["picture"] is None for card in content["prototypes"])
    for case in content["cases"]:
        for one in case["evidence"]:
            assert one["picture"] == f"sample-{one['row']}"


def test_pictures_of_a_frame():
    from sklearn.datasets import load_digits

    pytest.importorskip("pandas")
    X, y = load_digits(return_X_y=True, as_frame=True)
    psem = kmex().fit(X[:300], y[:300])
    content, _ = check_report(
        SEMReport(psem, X[300:400], y[300:400], image_shape=(8, 8))
    )
    assert content["data"]["samples"]["type"] == "DataFrame"
    assert content["pictures"]


def test_arrays_of_pictures_without_those_of_training_rows(digits, digit_psem):
    X, X_test, _, y = digits
    report = SEMReport(
        digit_psem, X_test, y, images=X_test.reshape(-1, 8, 8), X_train=X
    )
    content, _ = check_report(report)
    assert all(key.startswith("sample-") for key in content["pictures"])


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(10, random_state=0),
        MLPClassifier((8,), max_iter=2000, random_state=0),
        make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=2000)),
    ],
)
def test_black_box_of_the_embedder(iris, model):
    X, X_test, y, y_test = (np.asarray(some) for some in iris)
    model.fit(X, y)
    psem = make_kmex(model, n_prototypes=1, random_state=0).fit(X, y)
    content, page = check_report(SEMReport(psem, X_test, y_test, X_train=X))
    theirs = content["performance"]["black_box"]
    assert theirs["accuracy"]["value"] == model.score(X_test, y_test)
    assert "correctly classified by the black box" in page.text


def test_comparison_with_the_black_box_can_be_left_out(iris):
    X, X_test, y, y_test = (np.asarray(some) for some in iris)
    forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    psem = make_kmex(forest, n_prototypes=1, random_state=0).fit(X, y)
    content, page = check_report(SEMReport(psem, X_test, y_test, black_box=None))
    assert content["performance"]["black_box"] is None
    assert "There is no black box to compare with." in page.text


def rejecting(iris, wrap, **how):
    """A model that rejects some samples, and the model inside."""
    X, _, y, _ = iris
    inner = make_pipeline(StandardScaler(), kmex()).fit(X, y)
    psem = RejectingClassifier(FrozenEstimator(inner), quantile=0.2, **how)
    if wrap == "pipeline":
        psem = make_pipeline(FrozenEstimator(inner[0]), psem)
        psem[-1].estimator = FrozenEstimator(inner[1])
    return psem.fit(X, y), inner


@pytest.mark.parametrize("method", ["similarity", "probability"])
@pytest.mark.parametrize("wrap", [None, "pipeline"])
def test_report_says_which_share_a_model_rejects(iris, wrap, method):
    _, X, _, y = iris
    psem, inner = rejecting(iris, wrap, method=method, reject_label="none")
    content, page = check_report(SEMReport(psem, X, y))
    found, labels = content["performance"], psem.predict(X)
    assert 0 < found["rejection"]["rejected"]["value"] == np.mean(labels == "none") < 1
    accepted = labels != "none"
    accuracy = np.mean((labels == y)[accepted])
    assert found["rejection"]["accuracy_of_accepted"]["value"] == accuracy
    assert found["rejection"]["accuracy_of_accepted"]["n"] == np.sum(accepted)
    assert found["accuracy"]["value"] == inner.score(X, y)
    said = "all other figures and the decisions in this report are those of the class"
    report = SEMReport(psem, X, y)
    for text in (" ".join(content["summary"]), page.text, report.to_markdown()):
        assert "The model rejects " in text
        assert said in text
    assert "| Rejected by the model |" in report.to_markdown()
    assert "rejected by this model" in page.text


def test_all_samples_are_rejected(iris):
    _, X, _, y = iris
    psem, _ = rejecting(iris, None)
    content, page = check_report(SEMReport(psem, X + 1000, y))
    found = content["performance"]["rejection"]
    assert found["rejected"]["value"] == 1
    assert found["accuracy_of_accepted"]["value"] is None
    assert "accepted sample" not in page.text


def test_other_models_reject_nothing(iris_report):
    content, page = check_report(iris_report)
    assert content["performance"]["rejection"] is None
    assert "reject" not in page.text


def test_cached_embedder(iris, tmp_path):
    X, X_test, y, y_test = (np.asarray(some) for some in iris)
    forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    psem = make_kmex(forest, memory=str(tmp_path), n_prototypes=1)
    psem.set_params(kmex__random_state=0).fit(X, y)
    assert isinstance(psem[0], CachedEmbedder)
    content, _ = check_report(SEMReport(psem, X_test, y_test))
    theirs = content["performance"]["black_box"]["accuracy"]["value"]
    assert theirs == forest.score(X_test, y_test)


def test_steps_between_embedder_and_classifier(iris):
    X, X_test, y, y_test = iris
    forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    first = make_kmex(forest)[0]
    psem = make_pipeline(first, PCA(3), kmex())
    psem.set_params(pca__svd_solver="arpack", pca__random_state=0).fit(X, y)
    content, _ = check_report(SEMReport(psem, X_test, y_test))
    theirs = content["performance"]["black_box"]["accuracy"]["value"]
    assert theirs == forest.score(X_test, y_test)


def test_black_box_given(iris, iris_psem):
    X, X_test, y, y_test = iris
    model = LogisticRegression(max_iter=1000).fit(X, y)
    report = SEMReport(iris_psem, X_test, y_test, black_box=model)
    content, _ = check_report(report)
    theirs = content["performance"]["black_box"]
    assert theirs["accuracy"]["value"] == model.score(X_test, y_test)
    assert content["predicates"]["trustworthiness"]["fidelity"] == theirs["agreement"]


def test_black_box_of_classes_that_the_model_does_not_know(iris, iris_psem):
    _, X, _, y = iris

    class Other:
        def predict(self, X):
            return np.repeat(["an iris"], len(X))

    content, page = check_report(SEMReport(iris_psem, X, y, black_box=Other()))
    assert content["performance"]["black_box"] is None
    assert "The model was not compared with its black box. The labels" in page.text


def test_embedder_without_an_output_for_each_class(iris):
    torch = pytest.importorskip("torch")
    X, X_test, y, y_test = (np.asarray(some) for some in iris)
    network = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Linear(5, 7))
    psem = make_kmex(network, random_state=0).fit(X.astype(np.float32), y)
    content, page = check_report(SEMReport(psem, X_test.astype(np.float32), y_test))
    assert content["performance"]["black_box"] is None
    assert "There is no black box to compare with." in page.text


@pytest.fixture(scope="module")
def network():
    pytest.importorskip("zennit")
    from networks import Written, images, psem_of, seeded

    return psem_of(seeded(Written)), images(), images(40, seed=1)


@pytest.mark.parametrize("relevance", [True, "gradient_x_input", "callable"])
def test_relevance_maps_of_a_network(network, relevance):
    psem, X_train, X = network
    if relevance == "callable":

        def relevance(psem, X, prototypes):
            return X[:, 0]

    y = np.arange(40) % 3
    report = SEMReport(psem, X, y, X_train=X_train, relevance=relevance)
    content, page = check_report(report)
    assert content["data"]["samples"]["sample_shape"] == [1, 8, 8]
    for case in content["cases"]:
        assert case["relevance"] == f"sample-{case['row']}-relevance"
    said = "Relevance as given: red" if callable(relevance) else "Red speaks for"
    assert said in page.text
    assert content["performance"]["black_box"] is not None


@pytest.mark.parametrize("kind", ["tensor", "dataset", "labelled"])
def test_torch_samples(network, kind):
    torch = pytest.importorskip("torch")
    psem, X_train, X = network
    y = torch.arange(40) % 3

    def make(some):
        some = torch.from_numpy(some)
        if kind == "tensor":
            return some
        labels = [y[: len(some)]] if kind == "labelled" else []
        return torch.utils.data.TensorDataset(some, *labels)

    report = SEMReport(psem, make(X), y, X_train=make(X_train), y_train=y[:30])
    content, _ = check_report(report)
    as_array = SEMReport(psem, X, y, X_train=X_train, y_train=y[:30]).to_dict()
    assert content["pictures"] == as_array["pictures"]
    assert content["performance"] == as_array["performance"]


@pytest.mark.parametrize("model", [Prototypes, Stubborn])
def test_models_that_are_not_kmex(model):
    X = np.linspace(0, 9, 20)[:, np.newaxis]
    y = np.where(X[:, 0] < 5, "a", "b")
    psem = model([[0], [3], [9]], ["a", "a", "b"])
    content, page = check_report(SEMReport(psem, X, y, X_train=X + 0.1, y_train=y))
    assert content["reliability"] is None
    assert "The model gives no probabilities." in page.text
    assert content["model"]["parameters"] == []
    assert content["prototypes"][0]["training_row"] is None
    assert "Nearest training sample: unknown." in page.text


def test_more_than_the_nearest_prototype_decides(iris):
    X, X_test, y, y_test = iris
    psem = kmex(4, aggregation="sum", priors=[0.8, 0.1, 0.1]).fit(X, y)
    content, _ = check_report(SEMReport(psem, X_test, y_test))
    assert content["performance"]["accuracy"]["value"] == psem.score(X_test, y_test)


@pytest.mark.parametrize("with_training", [False, True])
def test_one_sample(iris, iris_psem, with_training):
    X, X_test, y, y_test = iris
    training = {"X_train": X, "y_train": y} if with_training else {}
    report = SEMReport(iris_psem, X_test[:1], y_test[:1], **training)
    content, _ = check_report(report)
    assert len(content["cases"]) == 1
    assert content["performance"]["accuracy"]["n"] == 1
    texts = [warning["text"] for warning in content["warnings"]]
    assert "Accuracy was measured on 1 sample only: all shares are imprecise." in texts
    absent = "Recall is unknown for classes versicolor, virginica: there are no samples"
    assert f"{absent}." in texts


@pytest.mark.parametrize(
    "labels",
    [
        [False, True],
        ["no", "yes"],
        [5, 17],
        [-1, 1],
        [1.0, 2.0],
        np.array(["no", "yes"], dtype=object),
    ],
)
def test_labels_of_two_classes(digits, labels):
    X, X_test, y, y_test = digits
    y, y_test = np.asarray(labels)[y % 2], np.asarray(labels)[y_test % 2]
    psem = kmex(5).fit(X, y)
    report = SEMReport(psem, X_test, y_test, X_train=X, y_train=y, image_shape=(8, 8))
    content, _ = check_report(report)
    named = [one["name"] for one in content["data"]["classes"]]
    assert named == [str(label) for label in labels]
    assert content["performance"]["accuracy"]["value"] == psem.score(X_test, y_test)


def test_class_without_samples(iris, iris_psem):
    _, X, _, y = iris
    X, y = X[y != "virginica"], y[y != "virginica"]
    content, page = check_report(SEMReport(iris_psem, X, y))
    assert content["performance"]["classes"][2]["recall"] == {
        "value": None, "low": None, "high": None, "n": 0,
    }  # fmt: skip
    assert "Recall is unknown for class virginica: there are no samples." in page.text


@pytest.fixture
def streamed(iris):
    """A model fitted to samples of two of three classes."""
    X, _, y, _ = (np.asarray(some) for some in iris)
    seen = y != "virginica"
    return kmex().partial_fit(X[seen], y[seen], classes=np.unique(y))


@pytest.mark.parametrize("rows", [slice(None), slice(0, 1), slice(-1, None)])
def test_class_without_prototypes(iris, streamed, rows):
    X_train, X, y_train, y = (np.asarray(some) for some in iris)
    for training in ({}, {"X_train": X_train, "y_train": y_train}):
        report = SEMReport(streamed, X[rows], y[rows], **training)
        content, page = check_report(report)
        assert {card["label"] for card in content["prototypes"]} == {
            "setosa", "versicolor",
        }  # fmt: skip
        assert "0 prototypes" in page.text


def test_samples_that_are_training_rows(iris, iris_psem):
    X, _, y, _ = iris
    report = SEMReport(iris_psem, X[:10], y[:10], X_train=X, y_train=y)
    content, page = check_report(report)
    assert content["data"]["shared_rows"] == list(range(10))
    assert content["data"]["training"]["n_samples"] == 75
    assert "10 samples are equal or nearly equal to a training sample" in page.text


def test_one_iris_occurs_twice(iris_report, iris):
    X, X_test, _, _ = iris
    (row,) = iris_report.to_dict()["data"]["shared_rows"]
    assert (X.to_numpy() == X_test.to_numpy()[row]).all(axis=1).any()

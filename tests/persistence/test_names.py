"""What is saved by name can be imported by name, or is refused when it is saved."""

import functools

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_kmex import KMExClassifier, RejectingClassifier, make_kmex
from sklearn_kmex.embedding import TorchEmbedder
from sklearn_kmex.persistence import load_psem, save_psem

pytest.importorskip("skops")
pytest.importorskip("safetensors")

Y = np.repeat([0, 1], 10)
X = np.random.RandomState(0).uniform(1, 2, size=(20, 4)) + Y[:, np.newaxis]
TEXTS = ["a good film", "nice and good", "an awful film", "bad, so bad"] * 5


def double(values):
    return values * 2


def named(name, module="some_module"):
    """A function that says that it is of another module."""

    def function(values):
        return values * 2

    function.__module__, function.__qualname__, function.__name__ = module, name, name
    return function


class Doubling(TransformerMixin, BaseEstimator):
    """A transformer that can be imported."""

    def __init__(self, how=None):
        self.how = how

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return X * 2

    @staticmethod
    def of(values):
        return values * 2


def make_local():
    class Local(Doubling):
        pass

    return Local()


def unnamed():
    """Functions that no other process finds, by what the error says of them."""

    def local(values):
        return values * 2

    return {
        r"unnamed\.<locals>\.local": local,
        "<lambda>": lambda values: values * 2,
        r"__main__\.double": named("double", "__main__"),
        r"some_module\.double": named("double"),
        r"test_names\.double": named("double", __name__),
        r"Doubling\.of": Doubling.of,
        r"unnamed.*<lambda>": functools.partial(lambda values: values * 2),
    }


@pytest.mark.parametrize("place", ["func", "union", "columns", "kmex", "rejecting"])
@pytest.mark.parametrize("name", unnamed())
def test_functions_that_cannot_be_imported_are_refused(name, place, tmp_path):
    step = FunctionTransformer(unnamed()[name])
    psem = {
        "func": make_pipeline(step, KMExClassifier(1)),
        "union": make_pipeline(make_union(step), KMExClassifier(1)),
        "columns": make_pipeline(
            make_column_transformer((step, [0, 1])), KMExClassifier(1)
        ),
        "kmex": make_kmex(step.func, n_prototypes=1),
        "rejecting": RejectingClassifier(make_pipeline(step, KMExClassifier(1)), cv=2),
    }[place].fit(X, Y)
    words = rf"be imported.*func of Function\w+ is .*{name}\. Move it to the top level"
    with pytest.raises(TypeError, match=words):
        save_psem(psem, tmp_path / "psem")
    assert not list(tmp_path.iterdir())


def test_the_remedy_works(tmp_path):
    psem = make_kmex(lambda values: values * 2, n_prototypes=1).fit(X, Y)
    before = psem.predict_proba(X)
    psem[0].estimator.set_params(func=None)
    save_psem(psem, tmp_path / "psem")
    loaded = load_psem(tmp_path / "psem")
    loaded[0].estimator.set_params(func=double)
    assert_array_equal(loaded.predict_proba(X), before)


@pytest.mark.parametrize("parameter", ["analyzer", "tokenizer", "preprocessor"])
@pytest.mark.filterwarnings("ignore:The parameter 'token_pattern' will not be used")
def test_callables_of_a_vectorizer(parameter, tmp_path):
    how = str.lower if parameter == "preprocessor" else str.split
    for function in (how, lambda text: how(text)):
        vectorizer = TfidfVectorizer(**{parameter: function})
        psem = make_pipeline(vectorizer, KMExClassifier(1)).fit(TEXTS, Y)
        with pytest.raises(TypeError, match=f"{parameter} of TfidfVectorizer is "):
            save_psem(psem, tmp_path / "psem")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (make_local(), r"steps of Pipeline is .*make_local\.<locals>\.Local"),
        (Doubling(how=lambda: 2), r"how of Doubling is .*<lambda>"),
        (Doubling(how={"a": [lambda: 2]}), r"how of Doubling is .*<lambda>"),
        (SelectKBest(lambda X, y: f_classif(X, y), k=2), "score_func of SelectKBest"),
        (
            make_column_transformer((StandardScaler(), lambda X: [0])),
            r"transformers of ColumnTransformer is .*<lambda>",
        ),
    ],
)
def test_classes_and_other_parameters(step, words, tmp_path):
    psem = make_pipeline(step, KMExClassifier(1)).fit(X, Y)
    with pytest.raises(TypeError, match=words):
        save_psem(psem, tmp_path / "psem")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "function",
    [
        double,
        np.log1p,
        np.asarray,
        functools.partial(np.multiply, 2),
        functools.partial(double),
        Doubling().transform,
    ],
)
def test_functions_that_can_be_imported_are_saved(function, tmp_path):
    psem = make_kmex(function, n_prototypes=1).fit(X, Y)
    save_psem(psem, tmp_path / "psem")
    here = [f"{__name__}.{name}" for name in ("double", "Doubling")]
    trusted = [*here, f"{__name__}.Doubling.transform", "numpy.asarray"]
    loaded = load_psem(tmp_path / "psem", trusted=[*trusted, "functools.partial"])
    assert_array_equal(loaded.predict_proba(X), psem.predict_proba(X))


def test_preprocess_of_a_torch_encoder(tmp_path):
    nn = pytest.importorskip("torch.nn")
    rows = X.astype(np.float32)

    def make():
        return nn.Sequential(nn.Linear(4, 3))

    for preprocess in unnamed().values():
        embedder = TorchEmbedder(make(), "0", preprocess=preprocess)
        psem = make_pipeline(embedder, KMExClassifier(1)).fit(rows, Y)
        with pytest.raises(TypeError, match="preprocess of TorchEmbedder is "):
            save_psem(psem, tmp_path / "psem")
        assert not list(tmp_path.iterdir())
    psem[0].set_params(preprocess=double)
    save_psem(psem, tmp_path / "psem")
    trusted = [f"{__name__}.double"]
    loaded = load_psem(tmp_path / "psem", make(), trusted=trusted)
    assert_array_equal(loaded.predict_proba(rows), psem.predict_proba(rows))

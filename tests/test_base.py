"""How estimators show in a notebook, by scikit-learn's own representation."""

import importlib.util
import re
from html import unescape

import numpy as np
import pytest
import sklearn
from discovery import api_reference, public_estimators
from sklearn.ensemble import RandomForestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.utils.fixes import parse_version

from sklearn_kmex import (
    KMExClassifier,
    KMExClassifierCV,
    RejectingClassifier,
    make_kmex,
)
from sklearn_kmex.embedding import (
    CachedEmbedder,
    MLPEmbedder,
    ScoreEmbedder,
    TreeEmbedder,
)

SHOWS_ATTRIBUTES = parse_version(sklearn.__version__) >= parse_version("1.9")
tells = pytest.mark.skipif(
    not SHOWS_ATTRIBUTES, reason="scikit-learn 1.9 shows attributes and what they are"
)
SITE = "https://sklearn-kmex.readthedocs.io/en/stable/"


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """One of each, by name."""
    X = np.random.RandomState(0).normal(size=(60, 3))
    y = np.arange(60) % 2
    X[:, 0] += 5 * y
    forest = RandomForestClassifier(3, random_state=0).fit(X, y)
    mlp = MLPClassifier((4,), solver="lbfgs", random_state=0).fit(X, y)
    models = [
        KMExClassifier(2, random_state=0).fit(X, y),
        KMExClassifierCV(2, cv=3, random_state=0).fit(X, y),
        RejectingClassifier(KMExClassifier(2, random_state=0)).fit(X, y),
        MLPEmbedder(mlp).fit(X),
        ScoreEmbedder(GaussianNB().fit(X, y)).fit(X),
        TreeEmbedder(forest).fit(X),
        CachedEmbedder(TreeEmbedder(forest), str(tmp_path_factory.mktemp("a"))).fit(X),
        *torch_embedders(X.astype(np.float32), y),
        *text_embedders(),
    ]
    return {type(model).__name__: model for model in models}


def torch_embedders(X, y):
    if importlib.util.find_spec("torch") is None:
        return []
    import torch
    from skorch import NeuralNetClassifier

    from sklearn_kmex.embedding import SkorchEmbedder, TorchEmbedder

    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    net = NeuralNetClassifier(network, max_epochs=1, verbose=0, train_split=None)
    return [TorchEmbedder(network).fit(X), SkorchEmbedder(net.fit(X, y)).fit(X)]


def text_embedders():
    if importlib.util.find_spec("transformers") is None:
        return []
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    from sklearn_kmex.embedding import TextEmbedder

    words = Tokenizer(WordLevel({"?": 0, "free": 1}, unk_token="?"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="?")
    config = BertConfig(vocab_size=2, hidden_size=12, num_hidden_layers=1)
    return [TextEmbedder(BertModel(config), tokenizer).fit(["free"])]


def test_each_estimator_links_to_a_page_that_the_docs_write():
    pages = {
        f"{SITE}api/{module}.{name}.html"
        for module, section in api_reference().items()
        for name in section["names"]
    }
    for thing in public_estimators():
        link = object.__new__(thing)._get_doc_link()
        assert link in pages
        assert link.endswith(f".{thing.__name__}.html")


def test_a_class_of_somebody_else_links_nowhere():
    class Mine(KMExClassifier):
        pass

    assert Mine()._get_doc_link() == ""


NAMES = ["KMExClassifier", "KMExClassifierCV", "RejectingClassifier"]
NAMES += ["CachedEmbedder", "MLPEmbedder", "ScoreEmbedder", "TreeEmbedder"]
NAMES += ["TorchEmbedder", "SkorchEmbedder", "TextEmbedder"]


def model_of(fitted, name):
    if name not in fitted:
        pytest.skip("its packages are not installed")
    return fitted[name]


@pytest.mark.parametrize("name", NAMES)
def test_all_public_estimators_show(fitted, name):
    model = model_of(fitted, name)
    html = model._repr_html_()
    assert name in html
    assert f'href="{model._get_doc_link()}"' in html
    assert set(NAMES) == {thing.__name__ for thing in public_estimators()}


@tells
@pytest.mark.parametrize("name", NAMES)
def test_parameters_and_attributes_say_what_they_are(fitted, name):
    model = model_of(fitted, name)
    html = model._repr_html_()
    link = model._get_doc_link()
    told = re.findall(rf'href="{re.escape(link)}#:~:text=(\w+),', html)
    fitted_names = [
        name for name in dir(model) if re.fullmatch(r"[a-z]\w*[a-z]_", name)
    ]
    assert set(told) >= {*model.get_params(deep=False), *fitted_names}


@tells
def test_arrays_are_abridged_and_none_is_told_by_its_values():
    X = np.random.RandomState(0).normal(size=(400, 300))
    psem = KMExClassifier(100, n_init=1, temperature=1.0, random_state=0)
    html = psem.fit(X, np.arange(400) % 2)._repr_html_()
    assert "ndarray[float64](200, 300)" in html
    assert len(html) < 100_000


HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(2)>']


@pytest.mark.parametrize("fit", [True, False])
def test_names_are_text(fit):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(np.arange(40.0).reshape(20, 2), columns=HOSTILE)
    psem = KMExClassifier({HOSTILE[0]: 1, HOSTILE[1]: 2}, priors=HOSTILE[0])
    if fit:
        psem.set_params(priors="uniform").fit(frame, np.array(HOSTILE).repeat(10))
    html = psem._repr_html_()
    for name in HOSTILE:
        assert name not in html
        assert name in unescape(html) or not SHOWS_ATTRIBUTES


def test_pipelines_show_each_step(fitted):
    model = make_kmex(fitted["TreeEmbedder"].ensemble)
    html = model._repr_html_()
    for name in ("TreeEmbedder", "KMExClassifier", "RandomForestClassifier"):
        assert name in html
    assert f"{SITE}api/sklearn_kmex.embedding.TreeEmbedder.html" in html

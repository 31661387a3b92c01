"""Graphs of text, against the vectorizers of scikit-learn."""

import csv
import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from served import run_graph
from sklearn.compose import make_column_transformer
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import MaxAbsScaler, Normalizer, StandardScaler

from sklearn_kmex import KMExClassifier
from sklearn_kmex._model.metric import METRICS
from sklearn_kmex.export import to_onnx

pytest.importorskip("skl2onnx")
pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

DATA = Path(
    os.environ.get("SKLEARN_KMEX_DATA", Path(__file__).parents[3] / "shared" / "data")
)
TRAIN = [
    "Free entry in 2 a weekly comp to win the cup",
    "You have WON a free prize, call now",
    "free prize: text WIN to 80082 über größe",
    "Claim your free prize now, it is the cup",
    "are you at home now",
    "I call you later, at 5 ok",
    "Größe ist über alles, ok",
    "the cat and the 2 dogs are home by 7",
]
LABELS = ["spam"] * 4 + ["ham"] * 4
RARE = [
    "",
    " \n\t ",
    "zzzqq nothing of this is known",
    "ÜBER Über GRÖSSE GRÖẞE größe",
    "ΣΑΣ σας ЖУК жук",
    "日本語 テキスト",
    "a A I b",
    "free-prize,FREE_prize;Free.prize free",
    "the it is the a of",
    "x" * 3000,
    "½ ² №5 cafe\u0301 café don't #win",
    "#",
    "\x00free",
]
VECTORIZERS = {
    "tf-idf": TfidfVectorizer(),
    "counts": CountVectorizer(),
    "binary": CountVectorizer(binary=True),
    "float32": TfidfVectorizer(dtype=np.float32),
    "upper case": CountVectorizer(lowercase=False),
    "logarithms": TfidfVectorizer(sublinear_tf=True, norm="l1"),
    "no weights": TfidfVectorizer(use_idf=False, norm=None),
    "stop words": TfidfVectorizer(stop_words=["the", "ÜBER", "is", "über"]),
    "pairs": TfidfVectorizer(ngram_range=(1, 2)),
    "triples": CountVectorizer(ngram_range=(2, 3)),
    "pairs over stop words": TfidfVectorizer(stop_words="english", ngram_range=(1, 2)),
    "a vocabulary": CountVectorizer(vocabulary=["prize", "free", "über", "x"]),
    "weighted counts": make_pipeline(CountVectorizer(), TfidfTransformer(norm="l1")),
    "divided": make_pipeline(CountVectorizer(), Normalizer("max")),
    "scaled": make_pipeline(TfidfVectorizer(), StandardScaler(with_mean=False)),
    "largest 1": make_pipeline(TfidfVectorizer(), MaxAbsScaler()),
    "two": make_union(TfidfVectorizer(), CountVectorizer(ngram_range=(2, 2))),
}
PATTERNS = [
    r"(?u)\b\w+\b",
    r"\w{3,}",
    r"\b[a-zA-Z]{3,}\b",
    r"(?u)\b[^\W\d_]+\b",
    r"[^\W_]+",
    r"[a-zäöüß]+",
    r"\S+",
    r"[\w'#]+",
    r"\d+",
]


def check_texts(psem, texts, atol=1e-9):
    """Check the answers for all texts at once, for one, and for none."""
    graph = to_onnx(psem, TRAIN)
    texts = np.array(texts, dtype=object)
    label, chances, *_ = run_graph(graph, X=texts)
    assert_array_equal(label, psem.predict(texts))
    assert_allclose(chances, psem.predict_proba(texts), rtol=0, atol=atol)
    for rows in (slice(0, 0), slice(0, 1), slice(1, 2)):
        assert_array_equal(run_graph(graph, X=texts[rows])[0], label[rows])


@pytest.mark.parametrize("name", VECTORIZERS)
def test_vectorizers(name):
    kmex = KMExClassifier(2, temperature=1.0, random_state=0)
    psem = make_pipeline(VECTORIZERS[name], kmex).fit(TRAIN, LABELS)
    check_texts(psem, TRAIN + RARE, 1e-5 if name == "float32" else 1e-9)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_of_tokens(pattern):
    text = TfidfVectorizer(token_pattern=pattern)
    kmex = KMExClassifier(2, temperature=1.0, random_state=0)
    check_texts(make_pipeline(text, kmex).fit(TRAIN, LABELS), TRAIN + RARE)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"token_pattern": r"\b\w+\b"},
        {"token_pattern": r"\w{3,}"},
        {"token_pattern": r"\b[a-z]+\b"},
        {"token_pattern": r"\S+"},
        {"ngram_range": (1, 2)},
        {"stop_words": ["xi", "ai"]},
        {"lowercase": False},
    ],
    ids=str,
)
def test_capitals_whose_lower_case_has_two_characters_or_is_ascii(settings):
    texts = [
        "\u212aelvin degrees",  # the sign of the unit
        "kelvin scale",
        "\u0130stanbul'da ya\u015f\u0131yorum",
        "istanbul stanbul",
        "D\u0130YARBAKIR \u0130L\u0130",
        "di\u0307yarbak\u0131r ili",
        "a\u0130b a\u0130\u0130b \u0130",
        "ai b x i xi",
    ]
    kmex = KMExClassifier(2, temperature=1.0, random_state=0)
    psem = make_pipeline(CountVectorizer(**settings), kmex)
    check_texts(psem.fit(texts, LABELS), texts + TRAIN)
    check_texts(psem.fit(texts[1::2] + TRAIN[:4], LABELS), texts + TRAIN)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.filterwarnings("ignore:X has rows of zeros")
def test_metrics_after_text(metric):
    steps = TfidfVectorizer(), TruncatedSVD(3, random_state=0)
    kmex = KMExClassifier(1, metric=metric, temperature=1.0, random_state=0)
    psem = make_pipeline(*steps, kmex).fit(TRAIN, LABELS)
    check_texts(psem, TRAIN + RARE[2:5])


@pytest.mark.filterwarnings("ignore:X has rows of zeros")
def test_real_messages():
    path = DATA / "text_sms_spam.csv.gz"
    if not path.exists():
        pytest.skip("text_sms_spam.csv.gz is missing: set SKLEARN_KMEX_DATA")
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        labels, texts = np.array(list(csv.reader(file))[1:], dtype=object).T
    kmex = KMExClassifier(3, metric="cosine", n_init=1, random_state=0)
    text = TfidfVectorizer(max_features=500, ngram_range=(1, 2))
    psem = make_pipeline(text, kmex).fit(texts[:1000], labels[:1000].astype(str))
    check_texts(psem, [*texts, *RARE])


def test_text_beside_numbers():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"text": TRAIN, "n": np.arange(8), "flag": [True, False] * 4})
    encode = make_column_transformer(
        (TfidfVectorizer(), "text"),
        (make_pipeline(CountVectorizer(), TruncatedSVD(2, random_state=0)), "text"),
        (StandardScaler(), ["n"]),
        remainder="passthrough",
    )
    psem = make_pipeline(encode, KMExClassifier(1, temperature=1.0)).fit(frame, LABELS)
    label, chances, *_ = run_graph(
        to_onnx(psem, frame), **{name: frame[[name]].to_numpy() for name in frame}
    )
    assert_array_equal(label, psem.predict(frame))
    assert_allclose(chances, psem.predict_proba(frame), rtol=0, atol=1e-9)


def test_input_has_the_shape_of_X_and_all_operators_are_declared():
    psem = make_pipeline(TfidfVectorizer(), KMExClassifier(1)).fit(TRAIN, LABELS)
    column = np.array(TRAIN, dtype=object)[:, np.newaxis]
    for X in (TRAIN, np.array(TRAIN), column):
        graph = to_onnx(psem, X)
        rows = np.array(X, dtype=object)
        assert_array_equal(run_graph(graph, X=rows)[0], psem.predict(TRAIN))
        told = {part.domain: part.version for part in graph.opset_import}
        assert told == {"": 18, "ai.onnx.ml": 3, "com.microsoft": 1}


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"analyzer": "char"}, "analyzer='char'. Use analyzer='word', or vectorize"),
        (
            {"strip_accents": "unicode"},
            "strip_accents='unicode'. Use strip_accents=None",
        ),
        ({"tokenizer": str.split, "token_pattern": None}, "tokenizer=<method 'split'"),
        ({"token_pattern": r"\d+|\w+"}, r"token_pattern='\\\\d\+|\\\\w\+'. Use char"),
        ({"token_pattern": r"(?u)\b\w[\w']+\b"}, "Use characters and sets of them"),
        ({"token_pattern": r"[\w ]+", "ngram_range": (1, 2)}, "matches no spaces"),
    ],
)
def test_errors_name_what_cannot_be_exported(settings, match):
    psem = make_pipeline(TfidfVectorizer(**settings), KMExClassifier(1))
    with pytest.raises(TypeError, match=match):
        to_onnx(psem.fit(TRAIN, LABELS), TRAIN)


def test_a_vectorizer_without_a_converter_is_named():
    psem = make_pipeline(HashingVectorizer(n_features=16), KMExClassifier(1))
    with pytest.raises(TypeError, match="of HashingVectorizer, KMExClassifier one is"):
        to_onnx(psem.fit(TRAIN, LABELS), TRAIN)

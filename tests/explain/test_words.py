"""words: what each word of a text adds to a score."""

import json

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import spearmanr
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    Normalizer,
    PolynomialFeatures,
    StandardScaler,
)

from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex.explain import Words, contrast, explain, words

FILLER = [
    "the",
    "meeting",
    "starts",
    "after",
    "lunch",
    "and",
    "we",
    "talk",
    "about",
    "the",
    "plan",
    "for",
    "next",
    "week",
    "with",
    "some",
    "people",
    "from",
    "other",
    "teams",
    "who",
    "bring",
    "notes",
    "about",
    "their",
    "work",
    "in",
    "the",
    "city",
]


def planted(n_texts, seed=0, n_words=12, said=("prize", "home")):
    """Texts that differ by one word, in a random place."""
    rng = np.random.default_rng(seed)
    y = np.arange(n_texts) % 2
    texts = []
    for label in y:
        text = list(rng.choice(FILLER, n_words))
        text.insert(rng.integers(n_words), said[label])
        texts.append(" ".join(text))
    return texts, y


TEXTS, Y = planted(80)
TEST, Y_TEST = planted(40, seed=1)
KMEX = KMExClassifier(1, random_state=0)
LSA = make_pipeline(
    TfidfVectorizer(), TruncatedSVD(20, random_state=0), Normalizer(), KMEX
)


@pytest.fixture(scope="module")
def lsa():
    return clone(LSA).fit(TEXTS, Y)


def parts_sum(found):
    return np.array(
        [
            found.relevance[i].sum() + sum(found.absent[i].values()) + found.rest[i]
            for i in range(len(found))
        ]
    )


def size_of(found, i):
    return np.abs(found.relevance[i]).sum() + abs(found.score[i])


MODELS = {
    "tf-idf": make_pipeline(TfidfVectorizer(), KMEX),
    "counts, cosine": make_pipeline(
        CountVectorizer(), KMExClassifier(1, metric="cosine", random_state=0)
    ),
    "LSA": LSA,
    "LSA, mahalanobis": make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        TruncatedSVD(10, random_state=0),
        StandardScaler(),
        KMExClassifier(1, metric="cosine_mahalanobis", random_state=0),
    ),
    "weighted counts": make_pipeline(
        CountVectorizer(binary=True), TfidfTransformer(), MaxAbsScaler(), KMEX
    ),
    "l1": make_pipeline(
        CountVectorizer(), Normalizer("l1"), TruncatedSVD(10, random_state=0), KMEX
    ),
    "max": make_pipeline(
        CountVectorizer(), TruncatedSVD(10, random_state=0), Normalizer("max"), KMEX
    ),
    "characters": make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)), KMEX
    ),
    "two": make_pipeline(
        make_union(
            TfidfVectorizer(),
            make_pipeline(
                TfidfVectorizer(analyzer="char", ngram_range=(3, 3)),
                TruncatedSVD(5, random_state=0),
            ),
        ),
        Normalizer(),
        KMEX,
    ),
    "scores": make_kmex(
        make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, Y),
        random_state=0,
    ),
    "frozen": make_pipeline(FrozenEstimator(TfidfVectorizer().fit(TEXTS)), KMEX),
    "cleaned": make_pipeline(
        FunctionTransformer(lambda X: [text.replace("the ", "") for text in X]),
        TfidfVectorizer(),
        KMEX,
    ),
    "roots": make_pipeline(CountVectorizer(), FunctionTransformer(np.sqrt), KMEX),
    "dense": make_pipeline(
        CountVectorizer(),
        FunctionTransformer(lambda X: X.toarray()),
        PCA(5, random_state=0),
        KMEX,
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_parts_sum_to_the_margin(name):
    psem = clone(MODELS[name]).fit(TEXTS, Y)
    found = words(psem, TEST)
    assert found.method == "exact"
    sizes = np.array([size_of(found, i) for i in range(len(found))])
    assert (np.abs(parts_sum(found) - found.score) <= 1e-10 * sizes).all()
    if name != "cleaned":
        assert_allclose(found.score, contrast(psem, TEST).margin, atol=1e-10)
    assert found.texts.tolist() == TEST
    assert set(found.labels) <= {0, 1}
    assert (found.labels == psem.predict(TEST)).all()


@pytest.mark.parametrize(
    "name", sorted(set(MODELS) - {"dense", "frozen", "LSA, mahalanobis"})
)
def test_the_planted_word_ranks_first(name):
    psem = clone(MODELS[name]).fit(TEXTS, Y)
    found = words(psem, TEST, labels=Y_TEST, against=1 - Y_TEST)
    first = [found.words[i][found.relevance[i].argmax()] for i in range(len(found))]
    told = np.array(
        [word == ("prize", "home")[y] for word, y in zip(first, Y_TEST, strict=True)]
    )
    assert told.mean() >= 0.95


def test_hashing_finds_the_words_by_their_hashes():
    steps = HashingVectorizer(n_features=2**10), TruncatedSVD(10, random_state=0)
    psem = make_pipeline(*steps, Normalizer(), clone(KMEX)).fit(TEXTS, Y)
    found = words(psem, TEST, labels=Y_TEST, against=1 - Y_TEST)
    sizes = np.array([size_of(found, i) for i in range(len(found))])
    assert (np.abs(parts_sum(found) - found.score) <= 1e-10 * sizes).all()
    first = [found.words[i][found.relevance[i].argmax()] for i in range(len(found))]
    assert (
        np.mean([w == ("prize", "home")[y] for w, y in zip(first, Y_TEST, strict=True)])
        >= 0.95
    )
    assert not any(found.absent)  # columns of hashes have no names


@pytest.mark.parametrize("binary", [False, True])
def test_words_in_one_column_of_hashes_are_told(binary):
    vectorizer = HashingVectorizer(n_features=4, binary=binary, norm=None)
    psem = make_pipeline(vectorizer, clone(KMEX)).fit(TEXTS, Y)
    found = words(psem, TEST[:5])
    assert all(found.collisions)
    assert_allclose(parts_sum(found), found.score)


@pytest.mark.parametrize("name", ["tf-idf", "LSA", "l1", "max", "characters"])
def test_the_order_agrees_with_leaving_words_out(name):
    psem = clone(MODELS[name]).fit(TEXTS, Y)
    rho = []
    for i, text in enumerate(TEST[:20]):
        found = words(psem, [text], labels=Y[i % 2], against=1 - Y[i % 2])
        without = [text[:start] + text[end:] for start, end in found.spans[0]]
        scored = words(
            psem, [text, *without], labels=Y[i % 2], against=1 - Y[i % 2]
        ).score
        rho.append(spearmanr(scored[0] - scored[1:], found.relevance[0]).statistic)
    assert np.mean(rho) >= 0.9


def test_without_lengths_relevance_is_what_leaving_out_changes():
    psem = make_pipeline(CountVectorizer(), KMExClassifier(1, random_state=0))
    psem.fit(TEXTS, Y)
    text = "prize prize after lunch"
    found = words(psem, [text], labels=0, against=1)
    fewer = words(psem, ["prize after lunch"], labels=0, against=1).score[0]
    assert_allclose(found.relevance[0][:2], found.score[0] - fewer)


def test_a_word_alone_has_all_that_is_said(lsa):
    found = words(lsa, ["prize"])
    nothing = found.score[0] - found.relevance[0].sum()
    assert_allclose(sum(found.absent[0].values()) + found.rest[0], nothing)
    assert found.relevance[0][0] > 0


def test_words_not_said_are_named():
    psem = make_pipeline(CountVectorizer(), KMExClassifier(1, random_state=0))
    psem.fit(["win prize prize", "at home"], ["spam", "ham"])
    found = words(psem, ["win"], labels="spam", n_absent=2)
    # (x - b)**2 - (x - a)**2 with x = 0
    assert found.absent[0] == {"prize": -4.0, "at": 1.0}
    assert found.rest_parts[0] == {"other words not said": 1.0, "constant": -1.0}
    assert found.relevance[0].tolist() == [2.0]
    assert found.score[0] == -1.0
    none = words(psem, ["win"], labels="spam", n_absent=0)
    assert none.absent[0] == {}
    assert none.rest[0] == sum(found.absent[0].values()) + found.rest[0]


def test_prototypes_of_lsa_are_taken_back_to_words(lsa):
    found = words(lsa, ["lunch after the meeting"], labels=0, against=1)
    assert found.absent[0]["prize"] < 0 < found.absent[0]["home"]


def test_a_term_of_several_words_is_shared_by_them():
    psem = make_pipeline(CountVectorizer(ngram_range=(2, 2)), KMExClassifier(1))
    psem.fit(["win a big prize", "see you at home"], [1, 0])
    found = words(psem, ["A BIG PRIZE"], labels=1, against=0)
    assert found.words[0] == ["BIG", "PRIZE"]  # the pattern needs two letters
    assert found.relevance[0][0] == found.relevance[0][1] > 0


@pytest.mark.parametrize("target", ["margin", "class", "similarity"])
@pytest.mark.parametrize("metric", ["euclidean", "cosine", "mahalanobis"])
def test_targets(target, metric):
    steps = TfidfVectorizer(), TruncatedSVD(8, random_state=0)
    psem = make_pipeline(*steps, KMExClassifier(2, metric=metric, random_state=0))
    psem.fit(TEXTS, Y)
    found = words(psem, TEST, target=target)
    sizes = np.array([size_of(found, i) for i in range(len(found))])
    assert (np.abs(parts_sum(found) - found.score) <= 1e-10 * sizes).all()
    if target != "margin":
        Z = psem[:-1].transform(TEST)
        if metric == "cosine":
            Z = Z / np.linalg.norm(Z, axis=1, keepdims=True)
        apart = Z - psem[-1].prototypes_[found.prototypes]
        if metric == "mahalanobis":
            apart = apart @ psem[-1].metric_map_
        assert_allclose(found.score, -(apart**2).sum(axis=1), atol=1e-9)


def test_prototypes_are_chosen():
    psem = make_pipeline(TfidfVectorizer(), clone(KMEX)).fit(TEXTS, Y)
    found = words(psem, TEST[:2], target="similarity", prototypes=[1, 0])
    assert found.prototypes.tolist() == [1, 0]
    assert found.labels.tolist() == psem[-1].prototype_classes_[[1, 0]].tolist()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prototypes": 0}, "prototypes must be None for target='margin'"),
        ({"target": "class", "against": 1}, "against must be None for target='class'"),
        ({"target": "similarity", "labels": 1}, "labels must be None"),
        ({"target": "similarity", "prototypes": 9}, "from 0 to 1; got 9"),
        ({"labels": 7}, "7"),
        ({"method": "tree_shap"}, "method must be None or 'sampling'.*'tree_shap'"),
        ({"target": "both"}, "target"),
    ],
)
def test_settings_are_checked(settings, message):
    psem = make_pipeline(TfidfVectorizer(), clone(KMEX)).fit(TEXTS, Y)
    with pytest.raises(ValueError, match=message):
        words(psem, TEST[:2], **settings)


def test_trees_behind_a_vectorizer():
    forest = RandomForestClassifier(5, random_state=0)
    black_box = make_pipeline(TfidfVectorizer(), forest).fit(TEXTS, Y)
    psem = make_kmex(black_box, random_state=0).fit(TEXTS, Y)
    found = words(psem, TEST[:5])
    assert found.method == "tree_shap"
    assert_allclose(parts_sum(found), found.score)
    split = contrast(psem, TEST[:5])
    assert_allclose(found.score, split.margin)
    word = found.words[0].index("home" if "home" in TEST[0] else "prize")
    column = split.feature_names.tolist().index(found.words[0][word])
    assert_allclose(found.relevance[0][word], split.contributions[0, column])
    assert words(psem, TEST[:1], method="path").method == "path"


class Counts(TransformerMixin, BaseEstimator):
    """Neither linear in words nor a vectorizer: pairs of counts are multiplied."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        known = [[text.count(word) for word in ("prize", "home", "the")] for text in X]
        return PolynomialFeatures(2).fit_transform(known)


def test_other_models_are_sampled():
    psem = make_pipeline(Counts(), clone(KMEX)).fit(TEXTS, Y)
    found = words(psem, [*TEST[:4], "", "prize"])
    assert found.method == "sampling"
    assert_allclose(parts_sum(found), found.score)
    for i in range(4):
        best = found.words[i][found.relevance[i].argmax()]
        assert best == ("prize", "home")[found.labels[i]]
    assert found.relevance[4].tolist() == []


def test_sampling_agrees_with_the_exact_split_where_nothing_interacts():
    psem = make_pipeline(CountVectorizer(), KMExClassifier(1, random_state=0))
    psem.fit(TEXTS, Y)
    exact, sampled = (words(psem, TEST[:3], method=m) for m in ("exact", "sampling"))
    for one, other in zip(exact.relevance, sampled.relevance, strict=True):
        assert_allclose(one, other, atol=1e-9)


class Vectors(TransformerMixin, BaseEstimator):
    """Static embeddings: the mean of vectors of words."""

    def __init__(self, mean=True):
        self.mean = mean

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        rows = [[self._vector(word) for word in text.split()] for text in X]
        sums = [np.sum(row, axis=0) if row else np.zeros(6) for row in rows]
        counts = [max(len(row), 1) if self.mean else 1 for row in rows]
        return np.array(sums) / np.array(counts)[:, np.newaxis]

    def _vector(self, word):
        seed = sum(ord(letter) * 7**n for n, letter in enumerate(word))
        return np.random.default_rng(seed).normal(size=6)


@pytest.mark.parametrize("mean", [True, False])
def test_means_of_vectors_are_exact(mean):
    psem = make_pipeline(Vectors(mean), StandardScaler(), Normalizer(), KMEX)
    found = words(psem.fit(TEXTS, Y), TEST)
    assert found.method == "exact"
    sizes = np.array([size_of(found, i) for i in range(len(found))])
    assert (np.abs(parts_sum(found) - found.score) <= 1e-10 * sizes).all()


def test_columns_of_texts_beside_others():
    table = pd.DataFrame({"subject": TEXTS[::-1], "n": np.arange(80.0), "body": TEXTS})
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), ["n"]),
            ("body", TfidfVectorizer(), "body"),
            ("subject", make_pipeline(CountVectorizer(), TruncatedSVD(3)), "subject"),
            ("letters", TfidfVectorizer(analyzer="char_wb"), "body"),
        ]
    )
    psem = make_pipeline(columns, clone(KMEX)).fit(table, Y)
    found = words(psem, table[:3])
    assert found.texts[0] in (f"{TEXTS[0]}\n{TEXTS[79]}", f"{TEXTS[79]}\n{TEXTS[0]}")
    assert_allclose(parts_sum(found), found.score)
    assert len(found.words[0]) == 26
    assert "prize" in found.absent[1]


@pytest.mark.parametrize(
    "container",
    [list, tuple, np.array, pd.Series, lambda x: np.array(x, dtype=object)],
)
def test_containers(lsa, container):
    expected = words(lsa, TEST[:3])
    found = words(lsa, container(TEST[:3]))
    assert found.texts.tolist() == TEST[:3]
    assert_allclose(np.concatenate(found.relevance), np.concatenate(expected.relevance))


ODD = {
    "empty": "",
    "space": " \n\t",
    "one character": "a",
    "unknown": "xyzzy qwerty",
    "emoji": "\U0001f468‍\U0001f469‍\U0001f467 prize \U0001f44d\U0001f3fd",
    "mixed": "prize שלום Привет 日本語 é ñ prize",
    "markup": "<b>prize</b> & \x00\x1b[31m \u202e home",
    "long": "prize at home " * 7200,
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("model", ["LSA", "characters"])
def test_odd_texts(model, name):
    psem = clone(MODELS[model]).fit(TEXTS, Y)
    text = ODD[name][: 10**5 if model == "LSA" else 10**4]
    found = words(psem, [text])
    assert_allclose(parts_sum(found), found.score, atol=1e-9)
    spans = found.spans[0]
    assert (spans[:, 0] < spans[:, 1]).all()
    assert (spans[1:, 0] >= spans[:-1, 1]).all()
    found.to_html(), found.to_markdown(), found.reasons()
    again = Words.from_json(json.dumps(json.loads(found.to_json())))
    assert again.texts[0] == text


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (["a", None], ValueError, "row 1 holds None"),
        (["a", np.nan], ValueError, "row 1 holds nan"),
        ([3, "a"], ValueError, "row 0 holds int"),
        ("prize", ValueError, r"Pass \[text\]"),
        (np.zeros((3, 2)), TypeError, r"shape \(3, 2\).*use contrast"),
    ],
)
def test_what_is_no_text_is_named(lsa, X, error, message):
    with pytest.raises(error, match=message):
        words(lsa, X)


def test_a_model_without_texts_is_named():
    psem = KMExClassifier(1).fit(np.eye(4), [0, 0, 1, 1])
    with pytest.raises(TypeError, match="KMExClassifier has none"):
        words(psem, ["a"])


@pytest.mark.filterwarnings("ignore:X has rows of zeros")
def test_a_text_without_direction_has_a_margin():
    psem = make_pipeline(CountVectorizer(), KMExClassifier(1, metric="cosine"))
    psem.fit(["a prize", "at home"], [1, 0])
    found = words(psem, ["xyzzy"])
    assert_allclose(parts_sum(found), found.score)
    assert np.isfinite(found.score).all()


def test_bytes_are_decoded_as_by_the_vectorizer(lsa):
    found = words(lsa, [b"a prize", "at home"])
    assert found.texts.tolist() == ["a prize", "at home"]


def test_an_analyzer_of_the_user_is_never_dropped():
    def analyze(text):
        return [text[:2], "no such term", *text.lower().split()]

    psem = make_pipeline(CountVectorizer(analyzer=analyze), KMExClassifier(1))
    psem.fit(TEXTS, Y)
    found = words(psem, ["A Prize for you"], labels=0, against=1)
    assert_allclose(parts_sum(found), found.score)
    assert "no such term" in found.unplaced[0]
    assert found.words[0] == ["A ", "Prize", "for", "you"]
    assert found.relevance[0][1] > 0


def test_frame_has_all_parts(lsa):
    found = words(lsa, TEST[:3])
    frame = found.frame()
    assert_allclose(frame.groupby("sample")["relevance"].sum(), found.score)
    said = frame[(frame["sample"] == 1) & (frame["part"] == "said")]
    assert [
        TEST[1][a:b] for a, b in zip(said["start"], said["end"], strict=True)
    ] == list(said["word"])
    assert set(frame["part"]) == {"said", "not said", "rest"}


def test_json_keeps_everything(lsa):
    found = words(lsa, TEST[:3])[[2, 0]]
    again = Words.from_json(found.to_json())
    assert again.to_json() == found.to_json()
    assert again.absent.tolist() == found.absent.tolist()
    assert again.spans[1].dtype == np.intp
    assert again.words == found.words
    assert again.sample_indices.tolist() == [2, 0]


def test_reasons_name_words(lsa):
    reasons = words(lsa, ["a prize after lunch", ""]).reasons(1)
    assert reasons[0].startswith("similar to 0 in “prize”")
    assert "not said: “prize”" in reasons[1] or "not said: “home”" in reasons[1]


def test_words_are_printed_with_what_they_add():
    texts, y = ["free prize", "at home"], ["spam", "ham"]
    psem = make_pipeline(CountVectorizer(), KMExClassifier(1)).fit(texts, y)
    assert "Words: for: “at” +2, “home” +2; against: “prize” -2" in str(
        words(psem, ["a prize at my home"])
    )


@pytest.mark.parametrize("is_converted", [False, True])
def test_explain_reads_columns_of_texts_as_words_does(is_converted):
    texts, y = ["free prize", "at home", "no prize"], ["spam", "ham", "spam"]
    psem = make_pipeline(CountVectorizer(), KMExClassifier(1)).fit(texts, y)
    if is_converted:
        model = make_pipeline(CountVectorizer(), LogisticRegression()).fit(texts, y)
        psem = make_kmex(model, n_prototypes=1, metric="euclidean").fit(texts, y)
    found = explain(psem, texts, X_train=texts, reasons=True)
    as_bytes = [text.encode() for text in texts]
    frame = pd.DataFrame({"text": texts})
    for X in (as_bytes, tuple(as_bytes), np.array(texts)[:, np.newaxis], frame):
        again = explain(psem, X, X_train=X, reasons=True)
        assert again.reasons.tolist() == found.reasons.tolist()
        assert again.examples.tolist() == found.examples.tolist()
    for missing in (None, np.nan, 3):
        with pytest.raises(ValueError, match="X must hold texts; row 1 holds"):
            explain(psem, ["a prize", missing])

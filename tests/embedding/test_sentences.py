"""Sentence encoders embed as their own `encode`; by all-MiniLM-L6-v2, if installed."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sentence_transformers")

from sentence_transformers import SentenceTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sklearn_kmex import make_kmex
from sklearn_kmex.embedding import TextEmbedder
from sklearn_kmex.exceptions import KMExWarning
from sklearn_kmex.persistence import load_psem, save_psem

ODD = [
    "",
    "a",
    "  spaces  ",
    "\n\t",
    "\U0001f600\U0001f44d\U0001f3fd",
    "\u041f\u0440\u0438\u0432\u0435\u0442 \u4eca\u65e5 mixed \u0645\u0631\u062d",
    "\u0fff\u0fff",  # unknown to the tokenizer
    "x" * 300,
    "e\u0301clair \u00e9clair",
    "A SENTENCE. Another one, longer than the others, so that batches are padded.",
]


def test_the_values_are_those_of_encode(sentence_encoder):
    expected = sentence_encoder.encode(ODD)
    for batch_size in (1, 4, 32):
        Z = TextEmbedder(sentence_encoder, batch_size=batch_size).transform(ODD)
        np.testing.assert_allclose(Z, expected, atol=1e-6)


def test_100000_characters_are_truncated_and_said(sentence_encoder):
    text = "word " * 20_000
    with pytest.warns(KMExWarning, match=r"more than 256 tokens .*: 1 of 2\."):
        Z = TextEmbedder(sentence_encoder).transform([text, "a"])
    np.testing.assert_allclose(Z, sentence_encoder.encode([text, "a"]), atol=1e-6)


def test_a_default_prompt_is_part_of_the_text(sentence_encoder):
    encoder, pooling = sentence_encoder[0], sentence_encoder[1]
    prompts = {"prompts": {"task": "classify: "}, "default_prompt_name": "task"}
    for included in (True, False):
        own = type(pooling)(384, pooling_mode="mean", include_prompt=included)
        model = SentenceTransformer(modules=[encoder, own], device="cpu", **prompts)
        embedder = TextEmbedder(model)
        np.testing.assert_allclose(
            embedder.transform(ODD), model.encode(ODD), atol=1e-5
        )
        spans = embedder._encode(["win it"]).offsets[0]
        assert ["win it"[first:last] for first, last in spans][-3:] == ["win", "it", ""]
        assert {*spans[:-3].ravel()} == {0}


def test_dense_and_truncated_embeddings(sentence_encoder):
    from sentence_transformers import models

    dense = models.Dense(384, 16)
    modules = [*sentence_encoder, dense]
    model = SentenceTransformer(modules=modules, device="cpu", truncate_dim=8)
    Z = TextEmbedder(model).transform(ODD)
    assert Z.shape == (len(ODD), 8)
    np.testing.assert_allclose(Z, model.encode(ODD), atol=1e-6)


def test_static_embeddings_are_means_of_vectors(static_encoder):
    embedder = TextEmbedder(static_encoder)
    np.testing.assert_allclose(
        embedder.transform(ODD), static_encoder.encode(ODD), rtol=1e-5, atol=1e-5
    )
    tokens, weight = embedder._encode(["win a prize"]), static_encoder[0].embedding
    ids = tokens.columns["input_ids"][0]
    mean = weight.weight.detach().numpy()[ids].mean(axis=0)
    np.testing.assert_allclose(embedder.transform(["win a prize"])[0], mean, rtol=1e-5)
    with pytest.warns(KMExWarning, match="more than 512 tokens"):
        embedder.transform(["word " * 20_000])


@pytest.fixture(scope="module")
def static_encoder():
    model2vec = pytest.importorskip("model2vec")
    static_model = pytest.importorskip("static_model")
    from pathlib import Path

    from sentence_transformers.models import StaticEmbedding

    folder = Path(static_model.__file__).with_name("model")
    assert model2vec.StaticModel.from_pretrained(folder).dim == 64
    module = StaticEmbedding.from_model2vec(str(folder))
    return SentenceTransformer(modules=[module], device="cpu")


def test_another_first_module_is_refused(sentence_encoder):
    from sentence_transformers import models

    bow = models.BoW(["win", "prize"])
    with pytest.raises(TypeError, match="tokenizer must be that of SentenceTransf"):
        TextEmbedder(SentenceTransformer(modules=[bow])).transform(["win"])


def test_a_spam_filter_in_one_line(sentence_encoder, tmp_path):
    texts = [f"win a free prize, call {n}" for n in range(20)]
    texts += [f"see you at {n} for lunch" for n in range(20)]
    labels = ["spam"] * 20 + ["ham"] * 20
    psem = make_kmex(sentence_encoder, random_state=0).fit(texts, labels)
    new = ["a prize is waiting, call now", "lunch tomorrow?"]
    assert psem.predict(new).tolist() == ["spam", "ham"]
    assert not hasattr(psem["embed"], "black_box_output")
    save_psem(psem, tmp_path / "psem")
    loaded = load_psem(tmp_path / "psem", sentence_encoder)
    np.testing.assert_array_equal(loaded.predict_proba(new), psem.predict_proba(new))


def test_a_classifier_behind_an_encoder_is_the_black_box(sentence_encoder):
    texts = ["win a prize", "free prize", "see you", "lunch at one"] * 3
    labels = ["spam", "spam", "ham", "ham"] * 3
    model = make_pipeline(TextEmbedder(sentence_encoder), LogisticRegression())
    psem = make_kmex(model.fit(texts, labels), random_state=0).fit(texts, labels)
    np.testing.assert_allclose(
        psem[0].transform(texts), sentence_encoder.encode(texts), atol=1e-6
    )
    scores = psem[0].black_box_output(texts)
    assert model.classes_[scores.argmax(axis=1)].tolist() == labels


@pytest.mark.slow
def test_as_accurate_as_logistic_regression_on_spam(sentence_encoder, load_texts):
    texts, labels = load_texts("sms_spam")
    texts, labels = texts[:1500], labels[:1500]
    Z = TextEmbedder(sentence_encoder).transform(texts)
    psem = make_kmex(lambda rows: rows, random_state=0).fit(Z[:1000], labels[:1000])
    box = LogisticRegression(max_iter=1000).fit(Z[:1000], labels[:1000])
    held_out = Z[1000:], labels[1000:]
    assert psem.score(*held_out) >= box.score(*held_out) - 0.005

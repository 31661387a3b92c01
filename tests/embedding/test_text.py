"""Texts are embedded as the model embeds them, whatever holds them."""

import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("tokenizers")

from joblib import Memory, Parallel, delayed
from scipy.special import softmax
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from sklearn_kmex import make_kmex
from sklearn_kmex._torch import texts
from sklearn_kmex.embedding import (
    CachedEmbedder,
    TextEmbedder,
    TorchEmbedder,
    embed_to_file,
)
from sklearn_kmex.embedding._fingerprint import fingerprint
from sklearn_kmex.exceptions import KMExWarning, ModelFileError
from sklearn_kmex.export import to_torch
from sklearn_kmex.metrics import fidelity_scorer
from sklearn_kmex.persistence import load_psem, save_psem

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "win", "free", "prize", "see", "you", "a"]
SPAM = ["win free prize", "free free prize", "win a prize", "free prize win win"]
HAM = ["see you", "you see a", "see you you", "a see you see"]
TEXTS, LABELS = SPAM + HAM, ["spam"] * 4 + ["ham"] * 4
SIZES = {
    "vocab_size": len(WORDS),
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 20,
}


def make_tokenizer(**settings):
    words = Tokenizer(WordLevel(dict(zip(WORDS, range(10), strict=True)), "[UNK]"))
    words.pre_tokenizer = Whitespace()
    words.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="[PAD]", **special, **settings
    )


def make_model(kind="BertModel", **settings):
    torch.manual_seed(0)
    config = transformers.BertConfig(**SIZES, **settings)
    return getattr(transformers, kind)(config)


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer()


@pytest.fixture(scope="module")
def encoder():
    return make_model().eval()


@pytest.fixture(scope="module")
def classifier():
    return make_model(
        "BertForSequenceClassification", id2label={0: "ham", 1: "spam"}
    ).eval()


def by_hand(encoder, tokenizer, text):
    """Return the vectors of the tokens of one text, without padding."""
    with torch.no_grad():
        out = encoder(**tokenizer([text], return_tensors="pt"))
    return out.last_hidden_state[0].numpy()


POOLED = {
    "auto": lambda rows: rows.mean(axis=0),
    "mean": lambda rows: rows.mean(axis=0),
    "max": lambda rows: rows.max(axis=0),
    "cls": lambda rows: rows[0],
    "last": lambda rows: rows[-1],
}


@pytest.mark.parametrize("pooling", POOLED)
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_and_batches_change_nothing(encoder, pooling, side):
    tokenizer = make_tokenizer(padding_side=side)
    given = ["a", "win free prize see you", "", "you see"] * 2
    embedder = TextEmbedder(encoder, tokenizer, pooling=pooling, batch_size=3)
    expected = [POOLED[pooling](by_hand(encoder, tokenizer, text)) for text in given]
    Z = embedder.transform(given)
    np.testing.assert_allclose(Z, np.stack(expected), atol=1e-5)
    assert Z.dtype == np.float32


def test_a_model_without_a_mask_gets_no_padding(tokenizer):
    torch.manual_seed(0)
    config = transformers.FNetConfig(
        vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=2
    )
    embedder = TextEmbedder(transformers.FNetModel(config).eval(), tokenizer)
    together = embedder.transform(TEXTS)
    alone = np.vstack([embedder.transform([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_a_named_layer(encoder, tokenizer):
    Z = TextEmbedder(encoder, tokenizer, layer="embeddings").transform(["win", "a a"])
    with torch.no_grad():
        rows = encoder.embeddings(tokenizer(["win"], return_tensors="pt")["input_ids"])
    np.testing.assert_allclose(Z[0], rows[0].mean(dim=0), atol=1e-6)
    with pytest.raises(ValueError, match="layer must name a layer of BertModel"):
        TextEmbedder(encoder, tokenizer, layer="embedings").transform(["win"])


def test_a_classifier_is_its_own_black_box(classifier, tokenizer):
    embedder = TextEmbedder(classifier, tokenizer, batch_size=3)
    Z, scores = embedder.embed_with_output(TEXTS)
    inputs = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = classifier(**inputs).logits.numpy()
        pooled = classifier.bert(**inputs).pooler_output.numpy()
    np.testing.assert_allclose(scores, logits, atol=1e-6)
    np.testing.assert_allclose(Z, pooled, atol=1e-6)
    np.testing.assert_array_equal(embedder.black_box_output(TEXTS), scores)
    np.testing.assert_allclose(
        embedder._probabilities(Z), softmax(logits, axis=1), atol=1e-6
    )
    psem = make_kmex(classifier, tokenizer=tokenizer, n_prototypes=2, random_state=0)
    psem.fit(TEXTS, LABELS)
    assert psem["embed"].output_classes == ["ham", "spam"]
    assert np.isfinite(fidelity_scorer(psem, TEXTS, LABELS))


def test_a_classifier_of_the_last_token_keeps_that(tokenizer):
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=10, n_embd=12, n_layer=1, n_head=2, n_positions=20, pad_token_id=0,
        num_labels=3,
    )  # fmt: skip
    model = transformers.GPT2ForSequenceClassification(config).eval()
    embedder = TextEmbedder(model, tokenizer)
    Z, scores = embedder.embed_with_output(TEXTS)
    head = model.score.weight.detach().numpy()
    np.testing.assert_allclose(Z @ head.T, scores, atol=1e-5)


def test_an_encoder_has_no_black_box(encoder, tokenizer):
    embedder = TextEmbedder(encoder, tokenizer)
    assert not hasattr(embedder, "black_box_output")
    assert embedder.output_classes is None
    psem = make_kmex(encoder, tokenizer=tokenizer, random_state=0)
    assert isinstance(psem["embed"], TextEmbedder)
    assert psem.fit(TEXTS, LABELS).score(TEXTS, LABELS) == 1


def test_the_encoder_is_left_as_it_was(tokenizer):
    model, words = make_model().train(), tokenizer.backend_tokenizer
    words.enable_truncation(7)
    words.enable_padding(length=9)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    first = TextEmbedder(model, tokenizer).transform(TEXTS)
    assert words.truncation["max_length"] == 7
    assert words.padding["length"] == 9
    assert model.training
    assert all(part.training for part in model.modules())
    assert all(v.equal(before[k]) for k, v in model.state_dict().items())
    np.testing.assert_array_equal(
        TextEmbedder(model, tokenizer).transform(TEXTS), first
    )
    words.no_truncation()
    words.no_padding()


def test_truncated_texts_are_counted(encoder, tokenizer):
    texts = ["win " * 100, "a", "win " * 18, "win " * 19]
    with pytest.warns(KMExWarning, match=r"more than 20 tokens .*: 2 of 4\.") as caught:
        Z = TextEmbedder(encoder, tokenizer).transform(texts)
    assert len(caught) == 1
    np.testing.assert_allclose(Z[0], Z[2], atol=1e-6)
    with pytest.warns(KMExWarning, match=r"more than 4 tokens .*: 3 of 4\."):
        TextEmbedder(encoder, tokenizer, max_length=4).transform(texts)


def test_positions_of_roberta_begin_after_the_padding(tokenizer):
    torch.manual_seed(0)
    model = transformers.RobertaModel(transformers.RobertaConfig(**SIZES))
    with pytest.warns(KMExWarning, match="more than 18 tokens"):
        TextEmbedder(model, tokenizer).transform(["win " * 100])


def test_a_model_without_limit_truncates_nothing(tokenizer):
    torch.manual_seed(0)
    config = transformers.XLNetConfig(
        vocab_size=SIZES["vocab_size"], d_model=12, n_layer=1, n_head=2, d_inner=16
    )
    model = transformers.XLNetModel(config)
    assert config.max_position_embeddings == -1
    assert TextEmbedder(model, tokenizer).transform(["win " * 100]).shape == (1, 12)


def test_tokens_are_at_characters_of_the_text(encoder, tokenizer):
    embedder = TextEmbedder(encoder, tokenizer)
    texts = ["  win \U0001f600free", "", "see\n you"]
    tokens = embedder._encode(texts)
    found = [
        [text[first:last] for first, last in spans]
        for text, spans in zip(texts, tokens.offsets, strict=True)
    ]
    assert found == [
        ["", "win", "\U0001f600", "free", ""],
        ["", ""],
        ["", "see", "you", ""],
    ]
    assert [len(ids) for ids in tokens.columns["input_ids"]] == [5, 2, 4]


def test_the_network_can_be_run_on_vectors_of_tokens(encoder, tokenizer):
    embedder = TextEmbedder(encoder, tokenizer)
    tokens, module = embedder._encode(["win a prize", "a"]), embedder._text_encoder()
    inputs = texts.padded(tokens.columns, [0, 1], tokenizer)
    vectors = module.token_vectors()[0](inputs["input_ids"]).detach()
    vectors.requires_grad_()
    del inputs["input_ids"]
    Z = module({**inputs, "inputs_embeds": vectors})
    expected = embedder.transform(["win a prize", "a"])
    np.testing.assert_allclose(Z.detach(), expected, atol=1e-6)
    Z.sum().backward()
    assert (vectors.grad[1, 3:] == 0).all()  # padding
    assert (vectors.grad[0].abs().sum(dim=1) > 0).all()


def containers():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    arrow = pytest.importorskip("pyarrow")
    return {
        "tuple": tuple(TEXTS),
        "NumPy": np.array(TEXTS),
        "objects": np.array(TEXTS, dtype=object),
        "one column": np.array(TEXTS)[:, np.newaxis],
        "pandas": pandas.Series(TEXTS, index=range(5, 13)),
        "pandas strings": pandas.Series(TEXTS, dtype="string"),
        "pandas categories": pandas.Series(TEXTS).astype("category"),
        "pandas frame": pandas.DataFrame({"text": TEXTS}),
        "polars": polars.Series(TEXTS),
        "polars frame": polars.DataFrame({"text": TEXTS}),
        "arrow": arrow.array(TEXTS),
    }


def test_columns_of_any_library(encoder, tokenizer):
    embedder = TextEmbedder(encoder, tokenizer)
    expected = embedder.transform(TEXTS)
    for name, column in containers().items():
        np.testing.assert_array_equal(embedder.transform(column), expected, name)
        assert embedder.fit(column).transform(column).shape == (8, 12), name


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["a", None], r"row 1 holds None, a missing value\. Leave it out"),
        (["a", float("nan"), None], "rows 1, 2 hold nan, a missing value"),
        (["a", "b", 3], r"row 2 holds int '3'\. Convert it by str"),
        (["a", b"free"], r"row 1 holds bytes, b'free'\. Decode it"),
        (np.array([b"a", b"b"]), "rows 0, 1 hold bytes"),
        (np.array([1.5, 2.5]), "rows 0, 1 hold float64 '1.5'"),
        (["a", "\ud800"], "row 1 holds half of a surrogate pair"),
        ([["a", "b"]], "row 0 holds list"),
        ("a text", r"one str\. Pass \[text\]"),
        (b"a text", r"one bytes\. Pass \[text\]"),
        ([], "at least one text; got none"),
        (np.array([["a", "b"]]), r"one column of texts; got shape \(1, 2\)"),
    ],
)
def test_what_is_no_text_is_named_by_its_row(encoder, tokenizer, texts, words):
    for method in ("fit", "transform"):
        with pytest.raises(ValueError, match=words):
            getattr(TextEmbedder(encoder, tokenizer), method)(texts)


@pytest.mark.parametrize("texts", [(t for t in TEXTS), {"a": "b"}, set(TEXTS), None])
def test_what_has_no_rows_is_refused(encoder, tokenizer, texts):
    with pytest.raises(TypeError, match="samples that can be selected by number"):
        TextEmbedder(encoder, tokenizer).transform(texts)


def test_what_is_no_tokenizer_is_refused(encoder):
    with pytest.raises(TypeError, match=r"must be that of BertModel.*got NoneType"):
        TextEmbedder(encoder).transform(["a"])
    with pytest.raises(TypeError, match="tokenizer must be None unless model is a"):
        make_kmex(CachedEmbedder(TextEmbedder(encoder)), tokenizer=make_tokenizer())


def test_a_tokenizer_of_another_model_is_named(encoder):
    longer = make_tokenizer()
    longer.add_tokens(["zebra"])
    with pytest.raises(ValueError, match="BertModel must take the tokens of its token"):
        TextEmbedder(encoder, longer).transform(["a zebra"])


def test_clones_threads_and_processes(encoder, tokenizer):
    embedder = TextEmbedder(encoder, tokenizer)
    twin = clone(embedder)
    assert twin.model is encoder
    assert twin.tokenizer is tokenizer
    expected = embedder.transform(TEXTS)
    sent = pickle.loads(pickle.dumps(embedder))
    np.testing.assert_array_equal(sent.transform(TEXTS), expected)
    run = Parallel(n_jobs=4, prefer="threads")
    for Z in run(delayed(embedder.transform)(TEXTS) for _ in range(8)):
        np.testing.assert_array_equal(Z, expected)


def test_a_search_embeds_each_text_once(encoder, tokenizer, tmp_path, monkeypatch):
    embedded = []

    def counting(encoder, columns, *args):
        embedded.extend(map(tuple, columns["input_ids"]))
        return embed_texts(encoder, columns, *args)

    embed_texts = texts.embed_texts
    monkeypatch.setattr(texts, "embed_texts", counting)
    psem = make_kmex(
        encoder, tokenizer=tokenizer, n_prototypes=1, memory=Memory(tmp_path, verbose=0)
    )
    search = GridSearchCV(psem, {"kmex__n_prototypes": [1, 2]}, cv=2)
    search.fit(TEXTS, LABELS)
    checked = 3  # embedded again, to see that the cache is of this model
    assert len(embedded) <= len(TEXTS) + checked
    assert len(set(embedded)) == len(TEXTS)


def test_a_call_leaves_the_key_of_the_cache(encoder, tokenizer):
    embedder = TextEmbedder(encoder, tokenizer)
    before = fingerprint(embedder)
    with pytest.warns(KMExWarning):
        embedder.transform(["win " * 100])
    tokenizer(["a", "win win"], padding=True, truncation=True, max_length=3)
    assert fingerprint(embedder) == before
    assert fingerprint(TextEmbedder(encoder, tokenizer, pooling="cls")) != before
    other = make_tokenizer()
    other.add_tokens(["zebra"])
    assert fingerprint(TextEmbedder(encoder, other)) != before


def test_embeddings_in_a_file(encoder, tokenizer, tmp_path):
    embedder = TextEmbedder(encoder, tokenizer)
    found = embed_to_file(embedder, TEXTS, tmp_path / "texts.npy")
    np.testing.assert_allclose(found, embedder.transform(TEXTS), atol=1e-6)


class TestFile:
    @pytest.fixture
    def saved(self, encoder, tokenizer, tmp_path):
        pytest.importorskip("skops")
        psem = make_kmex(encoder, tokenizer=tokenizer, n_prototypes=2, random_state=0)
        psem.fit(TEXTS, LABELS)
        save_psem(psem, tmp_path / "psem")
        return psem, tmp_path / "psem"

    def test_the_model_and_its_tokenizer_are_passed_again(self, saved):
        psem, path = saved
        model = make_model(initializer_range=0.5)
        loaded = load_psem(path, model, tokenizer=make_tokenizer())
        assert loaded["embed"].model is model
        np.testing.assert_array_equal(
            loaded.predict_proba(TEXTS), psem.predict_proba(TEXTS)
        )

    def test_another_tokenizer_is_refused(self, saved):
        with pytest.raises(ModelFileError, match="whose tokenizer is missing"):
            load_psem(saved[1], make_model())
        swapped = [*WORDS[:4], "free", "win", *WORDS[6:]]
        other = make_tokenizer()
        other.backend_tokenizer.model = WordLevel(
            dict(zip(swapped, range(10), strict=True)), "[UNK]"
        )
        with pytest.raises(ModelFileError, match="by another tokenizer"):
            load_psem(saved[1], make_model(), tokenizer=other)

    def test_texts_cannot_be_exported_but_what_follows_can(self, saved):
        psem = saved[0]
        with pytest.raises(TypeError, match=r"takes texts.*psem\[1:\]"):
            to_torch(psem)
        Z = torch.from_numpy(psem["embed"].transform(TEXTS))
        codes = to_torch(psem[1:])(Z)["class_index"]
        np.testing.assert_array_equal(psem[-1].classes_[codes], psem.predict(TEXTS))


def test_a_pipeline_of_transformers_has_both(classifier, tokenizer):
    whole = transformers.pipeline(
        "text-classification", model=classifier, tokenizer=tokenizer, device="cpu"
    )
    embedder = make_kmex(whole)["embed"]
    assert embedder.model is classifier
    assert embedder.tokenizer is tokenizer
    codes = embedder.black_box_output(TEXTS).argmax(axis=1)
    expected = [answer["label"] for answer in whole(TEXTS)]
    assert [embedder.output_classes[code] for code in codes] == expected


def test_ids_of_tokens_still_go_to_the_torch_embedder(encoder):
    assert isinstance(make_kmex(encoder)["embed"], TorchEmbedder)

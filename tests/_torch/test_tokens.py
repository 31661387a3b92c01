"""Relevance of tokens: with positions, special tokens and biases, it is the score."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("zennit")
pytest.importorskip("tokenizers")

from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from torch import nn

from sklearn_kmex import KMExClassifier
from sklearn_kmex._torch.texts import rows_by_length
from sklearn_kmex.embedding import TextEmbedder
from sklearn_kmex.exceptions import KMExWarning
from sklearn_kmex.explain import TokenTable, token_table, words
from sklearn_kmex.explain._target import find_scores, layers_of
from sklearn_kmex.explain._words import words_without_sampling

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "win", "free", "prize", "see", "you", "a"]
TEXTS = [
    "win free prize",
    "free free prize win a",
    "win a",
    "see you",
    "you see a",
    "a",
]
LABELS = ["spam"] * 3 + ["ham"] * 3
SIZES = {
    "vocab_size": len(WORDS),
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 20,
}
DISTILLED = {
    "vocab_size": len(WORDS),
    "dim": 12,
    "n_layers": 2,
    "n_heads": 2,
    "hidden_dim": 16,
    "max_position_embeddings": 20,
}


def tokenizer_of_words():
    table = Tokenizer(WordLevel(dict(zip(WORDS, range(10), strict=True)), "[UNK]"))
    table.pre_tokenizer = Whitespace()
    table.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=table,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    )


def network_of(kind, attention="sdpa", biases=False):
    """Make an encoder with random weights, in double precision."""
    config = {
        "bert": lambda how: transformers.BertConfig(**SIZES, **how),
        "roberta": lambda how: transformers.RobertaConfig(
            **SIZES, pad_token_id=0, **how
        ),
        "distilbert": lambda how: transformers.DistilBertConfig(**DISTILLED, **how),
        "modernbert": lambda how: transformers.ModernBertConfig(
            **SIZES, pad_token_id=0, cls_token_id=2, sep_token_id=3, **how
        ),
    }[kind]({"attn_implementation": attention})
    torch.manual_seed(0)
    network = transformers.AutoModel.from_config(config).double().eval()
    for name, weight in network.named_parameters():
        if "bias" in name:
            nn.init.normal_(weight, std=0.1) if biases else nn.init.zeros_(weight)
    return network


def psem_of(network, *steps, **settings):
    embedder = TextEmbedder(network, tokenizer_of_words(), **settings)
    return make_pipeline(embedder, *steps, KMExClassifier(1, random_state=0)).fit(
        TEXTS, LABELS
    )


def explain(psem, texts, target="class", method=None, prototypes=None):
    """Return the relevance of tokens of each text, and the scores."""
    embedder = psem[0]
    layers = layers_of(
        [step for _, step in psem.steps[1:-1]], embedder.transform(texts)
    )
    scores, _ = find_scores(psem, texts, layers, target, prototypes=prototypes)
    return embedder._attribute_tokens(texts, scores, method)


def total(found):
    return found.relevance.sum(-1) + sum(found.rest.values())


def size(found):
    parts = [found.relevance.sum(-1), *found.rest.values()]
    return np.abs(parts).sum(0)


KINDS = ["bert", "roberta", "distilbert", "modernbert"]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", KINDS)
def test_tokens_and_positions_have_all_relevance_without_biases(kind, attention):
    psem = psem_of(network_of(kind, attention))
    for target in ("class", "margin", "similarity"):
        for found in explain(psem, TEXTS, target, "epsilon_cp"):
            assert abs(found.rest["biases"]) < 1e-6 * size(found)
            assert found.relevance.any()
            assert found.rest["special tokens"] != 0
            assert (found.rest["positions"] != 0) == (kind != "modernbert")


@pytest.mark.parametrize("method", ["epsilon", "epsilon_cp", "gradient_x_input"])
def test_tokens_and_the_rest_are_the_score(method):
    psem = psem_of(network_of("bert", biases=True), StandardScaler())
    found = explain(psem, TEXTS, method=method)
    if method.startswith("epsilon"):
        scores = psem.transform(TEXTS).max(axis=1)
        assert_allclose([total(one) for one in found], scores, rtol=1e-5)
        assert all(one.rest["biases"] != 0 for one in found)
    for text, one in zip(TEXTS, found, strict=True):
        own = [text[start:end] for start, end in one.spans]
        assert own == ["", *text.split(), ""]
        assert_array_equal(one.relevance[[0, -1]], 0)


@pytest.mark.parametrize("method", ["epsilon", "gradient_x_input"])
@pytest.mark.parametrize("kind", KINDS)
def test_padding_and_the_batch_change_nothing(kind, method):
    psem = psem_of(network_of(kind, biases=True), batch_size=2)
    together = explain(psem, TEXTS, method=method)
    for text, one in zip(TEXTS, together, strict=True):
        (alone,) = explain(psem, [text], method=method)
        assert_allclose(one.relevance, alone.relevance, rtol=1e-5, atol=1e-9)
        assert one.rest == pytest.approx(alone.rest, rel=1e-5, abs=1e-9)


def test_each_prototype_has_its_map_by_one_forward_pass():
    psem = psem_of(network_of("bert"))
    both = explain(psem, TEXTS, "similarity", prototypes=[[0, 1]] * len(TEXTS))
    for place in (0, 1):
        alone = explain(psem, TEXTS, "similarity", prototypes=place)
        for one, two in zip(both, alone, strict=True):
            assert_allclose(one.relevance[place], two.relevance, rtol=1e-6, atol=1e-12)
    assert_allclose([total(one) for one in both], psem.transform(TEXTS), rtol=1e-6)


def test_the_model_stays_as_it_was_and_threads_do_not_meet():
    network = network_of("bert", biases=True)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    functions = nn.functional.scaled_dot_product_attention, nn.Module.__call__
    psem = psem_of(network)
    wanted = explain(psem, TEXTS)
    with ThreadPoolExecutor(2) as pool:
        several = list(pool.map(lambda _: explain(psem, TEXTS), range(4)))
    for found in several:
        for one, two in zip(found, wanted, strict=True):
            assert_array_equal(one.relevance, two.relevance)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
    assert functions == (
        nn.functional.scaled_dot_product_attention,
        nn.Module.__call__,
    )
    assert not any(part._forward_hooks for part in network.modules())


CLASSIFIERS = {
    "bert": lambda: transformers.BertConfig(**SIZES),
    "roberta": lambda: transformers.RobertaConfig(**SIZES, pad_token_id=0),
    "distilbert": lambda: transformers.DistilBertConfig(**DISTILLED),
    "electra": lambda: transformers.ElectraConfig(**SIZES, embedding_size=8),
    "gpt2": lambda: transformers.GPT2Config(
        vocab_size=10, n_embd=12, n_layer=1, n_head=2, n_positions=20, pad_token_id=0
    ),
}


def is_score(psem, found):
    """Whether the parts of each text sum to its largest similarity."""
    parts = [
        one.sum() + rest for one, rest in zip(found.relevance, found.rest, strict=True)
    ]
    assert_allclose(parts, psem.transform(TEXTS).max(axis=1), rtol=1e-4)


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_a_classifier_of_texts_has_relevance_of_words(kind):
    torch.manual_seed(0)
    auto = transformers.AutoModelForSequenceClassification
    psem = psem_of(auto.from_config(CLASSIFIERS[kind]()).eval())
    found = words(psem, TEXTS, target="class")
    assert found.method == "relevance of tokens"
    assert all(relevance.any() for relevance in found.relevance)
    is_score(psem, found)


def test_tables_of_tokens_that_share_their_weights():
    """T5 adds biases of positions that LRP does not know."""
    torch.manual_seed(0)
    config = transformers.T5Config(
        vocab_size=10, d_model=12, d_kv=6, d_ff=16, num_layers=2, num_heads=2
    )
    psem = psem_of(transformers.T5EncoderModel(config).eval())
    found = words(psem, TEXTS, target="class", method="gradient_x_input")
    assert all(relevance.any() for relevance in found.relevance)
    is_score(psem, found)
    assert words(psem, TEXTS).method == "sampling"
    with pytest.raises(ValueError, match="LRP does not support T5EncoderModel"):
        words(psem, TEXTS, method="epsilon")


@pytest.mark.parametrize("target", ["class", "margin", "similarity"])
def test_gradients_explain_the_score_of_the_rules(target):
    psem = psem_of(network_of("bert", biases=True))
    expected = words(psem, TEXTS, target=target).score
    found = words(psem, TEXTS, target=target, method="gradient_x_input").score
    assert expected.all()
    assert_allclose(found, expected, rtol=1e-4)


def test_words_of_a_network_without_rules_are_sampled():
    """T5 adds biases of positions that LRP does not know; texts are truncated."""
    torch.manual_seed(0)
    config = transformers.T5Config(
        vocab_size=10, d_model=12, d_kv=6, d_ff=16, num_layers=2, num_heads=2
    )
    with pytest.warns(KMExWarning, match="truncated"):
        psem = psem_of(transformers.T5EncoderModel(config).eval(), max_length=4)
    with pytest.warns(KMExWarning, match="truncated") as caught:
        found = words(psem, TEXTS, target="class")
    assert {str(one.message).split(": ")[-1] for one in caught} == {"3 of 6."}
    assert found.method == "sampling"
    assert all(relevance.any() for relevance in found.relevance)
    short = ["win a", "a"]
    assert words_without_sampling(psem, short, np.array(LABELS[:2])) is None
    with pytest.raises(ValueError, match="LRP does not support T5EncoderModel"):
        words(psem, short, method="epsilon")


def test_methods_that_read_no_tokens_are_refused():
    psem = psem_of(network_of("bert"))
    with pytest.raises(ValueError, match=r"method must be None or one of.*'occlusion'"):
        explain(psem, TEXTS, method="occlusion")


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "mahalanobis"])
def test_a_table_of_tokens_is_the_product_of_two_texts(metric):
    embedder = TextEmbedder(network_of("bert", biases=True), tokenizer_of_words())
    classifier = KMExClassifier(1, metric=metric, random_state=0)
    psem = make_pipeline(embedder, classifier).fit(TEXTS, LABELS)
    found = token_table(psem, "win a prize", TEXTS)
    assert found.texts == ("win a prize", TEXTS[found.index])
    rows = embedder.transform(list(found.texts)).astype(np.float64)
    if metric == "cosine":
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    if metric == "mahalanobis":
        rows = rows @ psem[-1].metric_map_
    assert_allclose(found.product, rows[0] @ rows[1], rtol=1e-5)
    assert_allclose(found.values.sum(), found.product, rtol=1e-9)
    assert_allclose(found.rest, 0, atol=1e-9)
    assert_allclose(
        found.squared_distance, ((rows[0] - rows[1]) ** 2).sum(), rtol=1e-4, atol=1e-9
    )
    own, others, values = found.words()
    assert own == ["win", "a", "prize"]
    assert others == found.texts[1].split()
    special = found.values[[0, -1]].sum() + found.values[1:-1][:, [0, -1]].sum()
    assert_allclose(values.sum(), found.product - special, rtol=1e-9)


def test_a_table_has_the_words_that_words_finds():
    """Pieces of "don't" are one word; a word behind the last token is left out."""
    table = TokenTable(
        texts=("don't go now", "日本"),
        index=None,
        spans=np.array([[0, 0], [0, 3], [3, 4], [4, 5], [6, 8]]),
        other_spans=np.array([[0, 2]]),
        values=np.array([[7.0], [1], [2], [3], [4]]),
        product=17.0,
        rest=0.0,
        squared_distance=1.0,
    )
    words, others, values = table.words()
    assert (words, others) == (["don't", "go"], ["日", "本"])
    assert_allclose(values, [[3, 3], [2, 2]])


def test_a_table_of_tokens_needs_their_mean():
    psem = psem_of(network_of("bert"), pooling="cls")
    with pytest.raises(ValueError, match="mean of the vectors of its tokens"):
        token_table(psem, "win a", "see you")
    with pytest.raises(TypeError, match="text must be a str; got list"):
        token_table(psem, ["win a"], "see you")


def test_batches_hold_texts_of_similar_length():
    columns = {"input_ids": [[1] * n for n in (2, 9, 8, 3, 6, 0)]}
    assert list(rows_by_length(columns, 3)) == [[1, 2, 4], [3, 0], [5]]
    assert list(rows_by_length(columns, 2)) == [[1, 2], [4], [3, 0], [5]]

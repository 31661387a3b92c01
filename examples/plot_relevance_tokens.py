"""
Relevance of the tokens of a text
=================================

Two classes of sentences differ by one word, which is put in a random place. A small
BERT is trained on them. Layer-wise relevance propagation through its attention finds
the word, and a table of pairs of tokens shows what makes a sentence similar to its
closest one.
"""

# %%
# A tokenizer of whole words, and a BERT of two layers with random weights.
import matplotlib.pyplot as plt
import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import BertConfig, BertForSequenceClassification
from transformers import PreTrainedTokenizerFast as FastTokenizer

from sklearn_kmex import make_kmex
from sklearn_kmex.explain import token_table, words

COMMON = ["we", "went", "to", "the", "old", "station", "and", "read", "it", "outside"]
PLANTED = ["elephant", "volcano"]


def sentences(n_texts, seed):
    generator = np.random.default_rng(seed)
    texts, labels = [], np.arange(n_texts) % 2
    for label in labels:
        text = list(generator.choice(COMMON, 6))
        text.insert(generator.integers(7), PLANTED[label])
        texts.append(" ".join(text))
    return texts, labels


ids = {word: place for place, word in enumerate(["[PAD]", "[UNK]", *COMMON, *PLANTED])}
words_of = Tokenizer(WordLevel(ids, "[UNK]"))
words_of.pre_tokenizer = Whitespace()
tokenizer = FastTokenizer(
    tokenizer_object=words_of, pad_token="[PAD]", unk_token="[UNK]"
)
torch.manual_seed(0)
network = BertForSequenceClassification(
    BertConfig(
        vocab_size=len(ids),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=16,
    )
)
X, y = sentences(400, 0)
optimizer = torch.optim.AdamW(network.parameters(), 2e-3)
batch, codes = tokenizer(X, return_tensors="pt"), torch.tensor(y)
for _ in range(3):
    for rows in torch.randperm(len(X)).split(32):
        optimizer.zero_grad()
        part = {name: values[rows] for name, values in batch.items()}
        network(**part, labels=codes[rows]).loss.backward()
        optimizer.step()

# %%
# The embedding is the mean of the vectors of the tokens, after the last layer.
psem = make_kmex(network.bert.eval(), tokenizer=tokenizer, n_prototypes=1)
psem.fit(X, y)
X_test, y_test = sentences(50, 1)
print("accuracy:", psem.score(X_test, y_test))

# %%
# In how many sentences does the planted word rank first?
found = words(psem, X_test, target="margin")
first = [
    own[relevance.argmax()]
    for own, relevance in zip(found.words, found.relevance, strict=True)
]
print("planted word first:", np.mean([word in PLANTED for word in first]))
for word, size in zip(found.words[0], found.relevance[0], strict=True):
    print(f"{word:10}{size:8.3f}")

# %%
# Which pairs of words make a sentence similar to its closest training sentence? The sum
# over all pairs of tokens is the inner product of the two embeddings.
table = token_table(psem, X_test[0], X)
rows, columns, values = table.words()
fig, ax = plt.subplots(figsize=(6, 4), layout="constrained")
largest = np.abs(values).max()
ax.imshow(values, cmap="RdBu_r", vmin=-largest, vmax=largest)
ax.set_xticks(range(len(columns)), columns, rotation=45, ha="right")
ax.set_yticks(range(len(rows)), rows)
plt.show()
print("sum:", table.values.sum(), "product:", table.product)

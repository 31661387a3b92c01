"""Words of texts: time and quality, against SHAP's permutation explainer.

The model is tf-idf, truncated SVD, Normalizer and KMExClassifier. Both explain the
margin of the two most similar prototypes. They alternate on the same texts, and are
compared by the rank correlation with what leaving each word out changes, and by the
error of the sum. Processor time is measured. Results are printed, and written to
benchmarks/results/words.json.
"""

import csv
import gzip
import json
import re
import statistics
import time
from pathlib import Path

import numpy as np
import shap
import sklearn
from data_sets import DATA
from fit import machine
from scipy.stats import spearmanr
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

import sklearn_kmex
from sklearn_kmex import KMExClassifier
from sklearn_kmex.explain import words

RESULTS = Path(__file__).parent / "results" / "words.json"

SETS = {
    "spam": "text_sms_spam.csv.gz",
    "subjectivity": "text_subj.csv.gz",
    "TREC": "text_trec.csv.gz",
}
N_TRAIN, N_TEXTS, REPEATS = 1000, 20, 3
WORD = r"(?u)\b\w\w+\b"


def read(name):
    """Return texts and labels, in random order."""
    with gzip.open(DATA / SETS[name], "rt", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    order = np.random.default_rng(0).permutation(len(rows))
    texts = [rows[row]["text"] for row in order]
    return texts, np.array([rows[row]["label"] for row in order])


def margin_of(psem, found, i):
    """Return the score of texts for the prototypes that decide one of them."""
    label, against = found.labels[i], found.against[i]
    a, b = psem[-1].prototypes_[[found.prototypes[i], found.against_prototypes[i]]]
    assert label != against

    def margin(texts):
        Z = psem[:-1].transform([str(text) for text in texts])
        return ((Z - b) ** 2).sum(axis=1) - ((Z - a) ** 2).sum(axis=1)

    return margin


def without_each(text, spans):
    return [text[:start] + text[end:] for start, end in spans]


def by_shap(psem, found, i):
    """Return the values of the words of a text, in order, and the error of the sum."""
    margin = margin_of(psem, found, i)
    masker = shap.maskers.Text(r"\W+")  # left-out words become "..."
    explainer = shap.PermutationExplainer(margin, masker, seed=0)
    explained = explainer([found.texts[i]], silent=True)
    values = explained.values[0]
    total = values.sum() + np.ravel(explained.base_values)[0]
    pieces = [piece.strip().casefold() for piece in explained.data[0]]
    return pieces, values, abs(total - found.score[i])


def ranks(psem, found, i, pieces, values):
    """Rank correlation of words with what leaving each out changes, for both."""
    margin, text = margin_of(psem, found, i), found.texts[i]
    left_out = found.score[i] - margin(without_each(text, found.spans[i]))
    theirs, place = [], 0
    for start, end in found.spans[i]:  # pieces of SHAP are in the order of the text
        word = text[start:end].casefold()
        at = next((n for n in range(place, len(pieces)) if word in pieces[n]), None)
        place = place if at is None else at + 1
        theirs.append(0.0 if at is None else values[at])
    return (
        spearmanr(left_out, found.relevance[i]).statistic,
        spearmanr(left_out, theirs).statistic,
    )


def compare(name):
    texts, labels = read(name)
    psem = make_pipeline(
        TfidfVectorizer(),
        TruncatedSVD(100, random_state=0),
        Normalizer(),
        KMExClassifier(3, random_state=0),
    ).fit(texts[:N_TRAIN], labels[:N_TRAIN])
    chosen = [text for text in texts[N_TRAIN:] if len(re.findall(WORD, text)) > 4]
    chosen = chosen[:N_TEXTS]
    ours, theirs, one_by_one = [], [], []
    for _ in range(REPEATS):
        start = time.process_time()
        found = words(psem, chosen)
        ours.append(time.process_time() - start)
        start = time.process_time()
        for text in chosen:
            words(psem, [text])
        one_by_one.append(time.process_time() - start)
        start = time.process_time()
        shapley = [by_shap(psem, found, i) for i in range(len(found))]
        theirs.append(time.process_time() - start)
    rho = np.array([ranks(psem, found, i, *shapley[i][:2]) for i in range(len(found))])
    total = [
        found.relevance[i].sum() + sum(found.absent[i].values()) + found.rest[i]
        for i in range(len(found))
    ]
    return {
        "texts": len(found),
        "seconds": {
            "words": statistics.median(ours),
            "words, one text at a time": statistics.median(one_by_one),
            "shap": statistics.median(theirs),
        },
        "times faster": statistics.median(theirs) / statistics.median(ours),
        "times faster, one text at a time": (
            statistics.median(theirs) / statistics.median(one_by_one)
        ),
        "error of the sum": {
            "words": float(np.abs(np.array(total) - found.score).max()),
            "shap": float(max(one[2] for one in shapley)),
        },
        "rank correlation with leaving out": {
            "words": float(np.nanmean(rho[:, 0])),
            "shap": float(np.nanmean(rho[:, 1])),
        },
    }


def main():
    versions = {"sklearn_kmex": sklearn_kmex.__version__, "shap": shap.__version__}
    versions |= {"sklearn": sklearn.__version__, "numpy": np.__version__}
    result = {"machine": machine(), "versions": versions, "words": {}}
    for name in SETS:
        result["words"][name] = compare(name)
        print(name, json.dumps(result["words"][name], indent=1))
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

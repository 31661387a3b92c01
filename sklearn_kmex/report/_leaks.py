"""Samples that are copies, or nearly, of training samples."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from sklearn_kmex._data.samples import len_of, take
from sklearn_kmex.metrics._leaks import leaks_of
from sklearn_kmex.report._answers import Answers
from sklearn_kmex.report._findings import TrainingSet
from sklearn_kmex.report._pictures import SampleSet
from sklearn_kmex.report._summary import Finding
from sklearn_kmex.report._text import are

N_PAIRS = 20  # listed
FEWEST = 20  # training samples, to see what is usual
MOST = 1_000  # test samples that are compared, so that reports stay quick


def describe_leaks(
    samples: SampleSet, answers: Answers, training: TrainingSet | None
) -> dict[str, Any] | None:
    """Find leaks; None if there are no or hardly any training samples."""
    if training is None or len_of(training.samples.X) < FEWEST:
        return None
    rows = np.sort(np.random.RandomState(0).permutation(len_of(samples.X))[:MOST])
    found = leaks_of(
        training.samples.X,
        take(samples.X, rows),
        training.embeddings,
        take(answers.embeddings, rows),
        samples.image_shape,
        MOST,
    )
    pairs, few = found.pairs, slice(N_PAIRS)
    pairs.test_row = rows[pairs.test_row]
    columns = ("test_row", "train_row", "kind", "found_by", "chance")
    listed = zip(*(pairs[name][few].tolist() for name in columns), strict=True)
    return {
        "n_compared": len(rows) if len(rows) < len_of(samples.X) else None,
        "n_leaks": len(pairs.test_row),
        "n_equal": int(np.sum(pairs.kind == "equal")),
        "n_expected": found.n_expected,
        "equal_samples": found.equal.test_share,
        "equal_training": found.equal.train_share,
        "pairs": [
            {
                **dict(zip(columns, row, strict=True)),
                "test_id": samples.id(row[0]),
                "train_id": training.samples.id(row[1]),
            }
            for row in listed
        ],
    }


def leak_warnings(leaks: dict[str, Any] | None) -> Iterator[Finding]:
    """Warn about samples that leaked."""
    if leaks is None or not leaks["n_leaks"]:
        return
    chance = ""
    if leaks["n_expected"] >= 1:
        chance = f" About {leaks['n_expected']:,.0f} of them are so by chance."
    if leaks["n_compared"] is not None:
        chance += (
            f" {leaks['n_compared']:,} samples drawn at random were compared; "
            "metrics.find_leaks compares all."
        )
    yield Finding(
        f"{are(leaks['n_leaks'], 'sample')} equal or nearly equal to a training "
        "sample, more than chance explains: the figures are too optimistic."
        f"{chance}",
        "Leave them out of the test samples, find out how they got there, and make the "
        "report again.",
    )

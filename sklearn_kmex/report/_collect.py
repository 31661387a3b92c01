"""From a model and data to all that a report says, as plain data."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import Bunch, check_array

from sklearn_kmex._data.jobs import progress_bar
from sklearn_kmex._data.samples import len_of, take
from sklearn_kmex._model.labels import class_codes
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.steps import embed
from sklearn_kmex.embedding._digests import row_digests
from sklearn_kmex.explain import explain
from sklearn_kmex.report._answers import Answers, ask, in_blocks
from sklearn_kmex.report._cases import case_cards, choose_cases
from sklearn_kmex.report._doubts import Training, find_doubts, suspect_labels
from sklearn_kmex.report._edits import describe_edits
from sklearn_kmex.report._estimates import share
from sklearn_kmex.report._likeness import likeness
from sklearn_kmex.report._performance import performance, predicates, reliability
from sklearn_kmex.report._pictures import Rows
from sklearn_kmex.report._prototypes import prototype_cards
from sklearn_kmex.report._provenance import (
    describe_model,
    describe_rows,
    describe_system,
    reproduce,
)
from sklearn_kmex.report._show import show_samples
from sklearn_kmex.report._summary import find_warnings, summarize
from sklearn_kmex.report._table import as_table
from sklearn_kmex.report._text import as_name, as_text, distinct

VERSION = 1


def collect(
    psem: Any,
    rows: Rows,
    train: Rows | None,
    *,
    black_box: Any,
    class_names: list[str],
    feature_names: Sequence[str] | None,
    relevance: Any,
    title: str | None,
) -> dict[str, Any]:
    """Ask the model once, and put together what the report says."""
    check(psem, rows, train, black_box, relevance, feature_names)
    n_rows = len_of(rows.X) + (0 if train is None else len_of(train.X))
    with progress_bar(n_rows, "row", desc="SEMReport", delay=1, leave=False) as bar:
        answers, training = embed_all(psem, rows, train, black_box, bar)
        chosen = choose_cases(answers)
        case_rows = [row for some in chosen.values() for row in some]
        if relevance:
            bar.set_description("SEMReport, relevance maps")
        explanation = explain(psem, take(rows.X, case_rows), relevance=relevance)
    names = distinct(map(as_name, class_names))
    content = {
        "format": "sklearn_kmex.SEMReport",
        "version": VERSION,
        "title": as_text(title or f"How this {type(find_sem(psem)).__name__} decides"),
        **describe_system(),
        **describe(psem, answers, training, rows, names),
    }
    content["data"]["classes"] = [
        {"label": label, "name": as_text(name)}
        for label, name in zip(names, class_names, strict=True)
    ]
    content["reproduce"] = reproduce(psem, with_training=train is not None)
    content["cases"] = case_cards(answers, chosen, explanation, names)
    show_samples(content, psem, rows, train, answers, explanation, feature_names)
    return content


def check(
    psem: Any,
    rows: Rows,
    train: Rows | None,
    black_box: Any,
    relevance: Any,
    feature_names: Sequence[str] | None,
) -> None:
    """Refuse what does not fit the model, before any work."""
    sem = find_sem(psem)
    for some in (rows, train):
        if some is not None and some.y is not None:
            class_codes(np.asarray(sem.classes_), some.y)
    if black_box is not None and not hasattr(black_box, "predict"):
        raise TypeError(
            f"black_box must be a fitted model with predict; got {black_box!r}."
        )
    wanted = relevance is not None and relevance is not False
    if wanted and rows.pictures([0]) is None:
        raise ValueError(
            "relevance must be None where samples are no pictures; got "
            f"{relevance!r}. Leave it out, or pass images."
        )
    if feature_names is not None and rows.pictures([0]) is None:
        as_table(psem, rows.X, feature_names)
    last = np.max(getattr(sem, "prototype_indices_", -1))
    if train is not None and last >= len_of(train.X):
        raise ValueError(
            "X_train must hold the rows that psem was fitted on; got "
            f"{len_of(train.X)} rows, and a prototype stands for row {last}."
        )


def embed_all(
    psem: Any, rows: Rows, train: Rows | None, black_box: Any, bar: Any
) -> tuple[Answers, Training | None]:
    """Run the encoder, once for each row."""
    answers = ask(psem, rows.X, rows.y, black_box, bar)
    if train is None:
        return answers, None
    sem = find_sem(psem)
    similar = in_blocks(lambda X: sem.transform(embed(psem, X)), train.X, bar)
    similar = check_array(similar, dtype=[np.float64, np.float32])
    return answers, Training(train, similar)


def describe(
    psem: Any,
    answers: Answers,
    training: Training | None,
    rows: Rows,
    names: list[str],
) -> dict[str, Any]:
    """Put the findings about model, data, classes and prototypes into plain data."""
    sem = find_sem(psem)
    doubts = find_doubts(sem, answers, training, rows.y)
    known = None if training is None else training.similarities.max(axis=1)
    nearest = answers.decision.owners[answers.active] == answers.decision.predicted
    found = performance(answers, names)
    content = {
        "model": describe_model(psem, sem),
        "edits": describe_edits(sem),
        "data": describe_data(rows, training, doubts, answers.names(names)),
        "performance": found,
        "predicates": predicates(answers, sem.prototypes_, found["black_box"]),
        "prototypes": prototype_cards(answers, sem, names, doubts),
        "reliability": reliability(answers, getattr(sem, "temperature_", None)),
        "likeness": likeness(answers, known),
    }
    content["warnings"] = find_warnings(content)
    return {"summary": summarize(content, share(nearest)), **content}


def describe_data(
    rows: Rows, training: Training | None, doubts: Bunch, by_label: dict[Any, str]
) -> dict[str, Any]:
    """Count and hash the rows; find those that are in both sets, and wrong labels."""
    digests, theirs = row_digests(rows.X, b""), []
    described = None
    if training is not None:
        theirs = row_digests(training.rows.X, b"")
        described = describe_rows(training.rows.X, training.rows.y, theirs)
    known = set(theirs)
    return {
        "samples": describe_rows(rows.X, rows.y, digests),
        "training": described,
        "shared_rows": [row for row, key in enumerate(digests) if key in known],
        **suspect_labels(doubts, by_label),
    }

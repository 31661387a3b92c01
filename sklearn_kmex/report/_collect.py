"""The content of a report, as plain data, from a model and samples."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch, check_array

from sklearn_kmex._data.jobs import progress_bar
from sklearn_kmex._data.samples import len_of, take
from sklearn_kmex._model.black_box import check_black_box
from sklearn_kmex._model.decision import decide
from sklearn_kmex._model.labels import class_codes
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.steps import embed
from sklearn_kmex.embedding._digests import row_digests
from sklearn_kmex.explain import explain
from sklearn_kmex.report._answers import Answers, evaluate, in_blocks
from sklearn_kmex.report._cases import case_cards, choose_cases
from sklearn_kmex.report._edits import describe_edits
from sklearn_kmex.report._estimates import share
from sklearn_kmex.report._findings import TrainingSet, find_problems, suspect_labels
from sklearn_kmex.report._influence import add_influence
from sklearn_kmex.report._known import known_rows
from sklearn_kmex.report._likeness import describe_examples, member_cards
from sklearn_kmex.report._novelty import novelty
from sklearn_kmex.report._performance import performance, predicates, reliability
from sklearn_kmex.report._pictures import SampleSet
from sklearn_kmex.report._prototypes import prototype_cards
from sklearn_kmex.report._provenance import (
    describe_model,
    describe_rows,
    describe_system,
    reproduce,
)
from sklearn_kmex.report._review import Review, add_review, describe_review
from sklearn_kmex.report._rule import describe_rule
from sklearn_kmex.report._show import show_samples
from sklearn_kmex.report._summary import choose_first, find_warnings, summarize
from sklearn_kmex.report._table import as_table, numbers_of
from sklearn_kmex.report._text import as_name, as_text, distinct
from sklearn_kmex.utils import check_dependency

VERSION = 1


def check_arguments(
    psem: Any,
    samples: SampleSet,
    training: SampleSet | None,
    *,
    black_box: Any,
    classes: Any,
    relevance: Any,
    feature_names: Sequence[str] | None,
    columns: Sequence[str | int] | None,
) -> None:
    """Refuse arguments that do not fit the model, without running it."""
    sem = find_sem(psem)
    for name, some in (("y", samples), ("y_train", training)):
        if some is not None and some.y is not None:
            class_codes(np.asarray(sem.classes_), some.y, name)
    check_black_box(black_box, classes)
    if samples.pictures([0]) is not None:
        check_dependency("PIL.Image", caller="SEMReport", extra="report")
        numbers_of(None, columns)
    elif relevance is not None and relevance is not False:
        raise ValueError(
            f"relevance must be None unless samples are images; got {relevance!r}. "
            "Leave it out, or pass images or image_shape."
        )
    elif feature_names is not None or columns is not None:
        table = as_table(psem, samples.X, feature_names)
        numbers_of(None if table is None else table.names, columns)
    last = np.max(getattr(sem, "prototype_indices_", -1))
    if training is not None and last >= len_of(training.X):
        raise ValueError(
            "X_train must hold the samples that psem was fitted to; got "
            f"{len_of(training.X)} rows, and a prototype has training row {last}."
        )


def collect(
    psem: Any,
    samples: SampleSet,
    training: SampleSet | None,
    *,
    black_box: Any,
    classes: Any,
    class_names: list[str],
    feature_names: Sequence[str] | None,
    columns: Sequence[str | int] | None,
    relevance: Any,
    title: str | None,
    review: Review,
) -> dict[str, Any]:
    """Evaluate the model once, and return the content of the report."""
    sets = [samples] if training is None else [samples, training]
    n_rows = review.n_new + sum(len_of(one.X) for one in sets)
    names = distinct(map(as_name, class_names))
    with progress_bar(n_rows, "row", desc="SEMReport", delay=1, leave=False) as bar:
        answers = evaluate(psem, samples.X, samples.y, black_box, bar, classes)
        training_set = compare_training(psem, training, bar)
        chosen = choose_cases(answers)
        rows = [row for some in chosen.values() for row in some]
        bar.set_description("SEMReport, explanations", refresh=False)
        explanation = explain(psem, take(samples.X, rows), relevance=relevance)
        about = psem, samples, answers, training_set, names
        found = describe_review(review, *about, bar)
    content = {
        "format": "sklearn_kmex.SEMReport",
        "version": VERSION,
        "title": as_text(title or f"How this {type(find_sem(psem)).__name__} decides"),
        **describe_system(),
        **describe(psem, answers, training_set, samples, names),
    }
    pairs = zip(names, map(as_text, class_names), strict=True)
    content["data"]["classes"] = [{"label": one, "name": name} for one, name in pairs]
    content["reproduce"] = reproduce(psem, with_training=training is not None)
    members = member_cards(find_sem(psem), answers, training_set, rows)
    known = known_rows(psem, answers, training_set)
    content["cases"] = case_cards(answers, chosen, explanation, names, members, known)
    add_influence(content["cases"], psem, answers, training_set, names)
    content["first"] = choose_first(content)
    show_samples(
        content, psem, samples, training, answers, explanation, feature_names, columns
    )
    add_review(content, found, psem, review.new, samples, feature_names)
    return content


def compare_training(
    psem: Any, training: SampleSet | None, bar: Any
) -> TrainingSet | None:
    """Embed training samples and compare them with prototypes, if there are any."""
    if training is None:
        return None
    Z = in_blocks(lambda X: embed(psem, X), training.X, bar)
    sem = find_sem(psem)
    similar = check_array(sem.transform(Z), dtype=[np.float64, np.float32])
    if training.y is None:
        codes = decide(psem, Z).predicted
    else:
        codes = class_codes(np.asarray(sem.classes_), training.y, "y_train")
    return TrainingSet(training, Z, similar, codes)


def describe(
    psem: Any,
    answers: Answers,
    training: TrainingSet | None,
    samples: SampleSet,
    names: list[str],
) -> dict[str, Any]:
    """Describe model, data, performance and prototypes as plain data."""
    sem = find_sem(psem)
    findings = find_problems(sem, answers, training, samples.y)
    known = known_rows(psem, answers, training)
    of_training = None if training is None else training.similarities.max(axis=1)
    of_nearest = answers.decision.owners[answers.nearest] == answers.decision.predicted
    found = performance(answers, names, known_codes(sem, training))
    content = {
        "model": describe_model(psem, sem),
        "rule": describe_rule(sem),
        "edits": describe_edits(sem),
        "data": describe_data(samples, training, findings, answers.names(names)),
        "performance": found,
        "predicates": {
            **predicates(answers, sem, found["black_box"]),
            "examples": describe_examples(answers, training),
        },
        "prototypes": prototype_cards(answers, sem, names, findings, known),
        "reliability": reliability(answers, getattr(sem, "temperature_", None)),
        "novelty": novelty(answers, of_training, known),
    }
    content["warnings"] = find_warnings(content)
    return {"summary": summarize(content, share(of_nearest)), **content}


def known_codes(sem: Any, training: TrainingSet | None) -> NDArray[np.intp] | None:
    """Return the class codes of the training samples, if their labels are given."""
    if training is None or training.samples.y is None:
        return None
    return class_codes(np.asarray(sem.classes_), training.samples.y, "y_train")


def describe_data(
    samples: SampleSet,
    training: TrainingSet | None,
    findings: Bunch,
    by_label: dict[Any, str],
) -> dict[str, Any]:
    """Describe both sets; list the rows that are in both, and suspect labels."""
    digests, known = row_digests(samples.X, b""), []
    described = None
    if training is not None:
        X, y = training.samples.X, training.samples.y
        known = row_digests(X, b"")
        described = describe_rows(X, y, known)
    in_training = set(known)
    return {
        "samples": describe_rows(samples.X, samples.y, digests),
        "training": described,
        "shared_rows": [row for row, key in enumerate(digests) if key in in_training],
        **suspect_labels(findings, by_label),
    }

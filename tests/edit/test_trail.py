"""The log of edits: plain data that says what was done, why, and when."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from sklearn_kmex import KMExClassifier
from sklearn_kmex.edit import (
    add_prototypes,
    drop_prototypes,
    merge_prototypes,
    relabel_prototypes,
    rename,
)


def test_an_entry_says_all(blobs):
    X, y = blobs
    psem = KMExClassifier(2, random_state=0).fit(X, y)
    start = datetime.now(UTC).replace(microsecond=0)
    edited = drop_prototypes(psem, 3, reason="blurred", X_val=X[:50], y_val=y[:50])
    (entry,) = edited.edit_log_
    when = datetime.fromisoformat(entry.pop("when"))
    assert start <= when <= start + timedelta(minutes=5)
    assert when.utcoffset() == timedelta(0)
    assert entry == {
        "what": "drop_prototypes",
        "reason": "blurred",
        "ids_before": [3],
        "ids_after": [],
        "new_ids": [0, 1, 2, None, 3, 4],
        "label": None,
        "names": None,
        "n_samples": 50,
        "accuracy_before": psem.score(X[:50], y[:50]),
        "accuracy_after": edited.score(X[:50], y[:50]),
    }


def test_the_log_grows_and_survives_json(blobs):
    X, y = blobs
    psem = KMExClassifier(3, random_state=0).fit(X, y.astype(np.uint8))
    edited = merge_prototypes(psem, np.array([4, 3]))
    edited = relabel_prototypes(edited, np.int64(0), np.int32(1))
    edited = rename(edited, {0: 10, 2: 12})
    edited = add_prototypes(edited, X[:1] + 0.5, 11, X_val=X, y_val=y)
    assert json.loads(json.dumps(edited.edit_log_, allow_nan=False)) == edited.edit_log_
    assert [entry["what"] for entry in edited.edit_log_] == [
        "merge_prototypes",
        "relabel_prototypes",
        "rename",
        "add_prototypes",
    ]
    assert psem.edit_log_ == []
    merged = edited.edit_log_[0]
    assert merged["ids_before"] == [3, 4]
    assert merged["ids_after"] == [3]
    assert merged["new_ids"] == [0, 1, 2, 3, 3, 4, 5, 6, 7]


def test_the_log_survives_files_without_pickle(blobs):
    skops = pytest.importorskip("skops.io")
    X, y = blobs
    edited = drop_prototypes(
        KMExClassifier(2, random_state=0).fit(X, y), 1, reason="é", X_val=X, y_val=y
    )
    data = skops.dumps(edited)
    again = skops.loads(data, trusted=skops.get_untrusted_types(data=data))
    assert again.edit_log_ == edited.edit_log_
    assert skops.get_untrusted_types(data=data) == [
        "sklearn_kmex._classifier.KMExClassifier"
    ]


def test_rows_of_classes_to_come_count_as_errors(blobs):
    X, y = blobs
    psem = KMExClassifier(1).fit(X[y < 2], y[y < 2])
    edited = add_prototypes(psem, X[y == 2][:1], 2, X_val=X, y_val=y)
    assert edited.edit_log_[0]["accuracy_before"] == 2 / 3
    assert edited.edit_log_[0]["accuracy_after"] == 1


def test_models_of_before_there_was_a_log(blobs):
    psem = KMExClassifier(2, random_state=0).fit(*blobs)
    del psem.edit_log_
    assert len(drop_prototypes(psem, 0).edit_log_) == 1


def test_refusals(blobs):
    X, y = blobs
    psem = KMExClassifier(2, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=r"reason must be a str or None; got 3 of"):
        drop_prototypes(psem, 0, reason=3)
    with pytest.raises(ValueError, match="y_val must be given with X_val"):
        drop_prototypes(psem, 0, X_val=X)
    with pytest.raises(ValueError, match="X_val must be given with y_val"):
        drop_prototypes(psem, 0, y_val=y)
    with pytest.raises(ValueError, match="y_val must hold labels of the type of"):
        drop_prototypes(psem, 0, X_val=X, y_val=y.astype(str))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        drop_prototypes(psem, 0, X_val=X, y_val=y[:5])
    assert psem.edit_log_ == []

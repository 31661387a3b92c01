"""Manual edits of a fitted model, as its log lists them."""

from typing import Any

from sklearn_kmex._draw.html import clipped
from sklearn_kmex.report._text import as_name, as_text, counted, listed

LONGEST_REASON = 1_000  # characters
MOST = 20  # numbers or names in a sentence


def describe_edits(sem: Any) -> list[dict[str, Any]]:
    """Return the entries of the log as plain data, oldest first."""
    return [describe_edit(entry) for entry in getattr(sem, "edit_log_", [])]


def describe_edit(entry: dict[str, Any]) -> dict[str, Any]:
    reason = entry["reason"]
    kept = ("ids_before", "ids_after", "n_samples", "accuracy_before", "accuracy_after")
    return {
        "what": as_name(entry["what"]),
        "text": in_words(entry),
        "reason": None if reason is None else clipped(as_text(reason), LONGEST_REASON),
        "when": as_name(entry["when"]),
        **{key: entry[key] for key in kept},
    }


def in_words(entry: dict[str, Any]) -> str:
    """Describe an edit in a sentence."""
    before, after = (prototypes(entry[key]) for key in ("ids_before", "ids_after"))
    label = as_name(entry["label"])
    pairs = [f"{as_name(a)} to {as_name(b)}" for a, b in entry["names"] or [] if a != b]
    rows = counted(entry.get("n_rows", 0), "training row")
    sentences = {
        "drop_prototypes": f"Dropped {before}.",
        "merge_prototypes": f"Merged {before}, now {after}.",
        "relabel_prototypes": f"Moved {before} to class {label}, now {after}.",
        "add_prototypes": f"Added {after} of class {label}.",
        "forget_rows": f"Forgot {rows}, which changed {before}, now {after}.",
        "rename": f"Renamed classes: {listed(pairs, MOST) or 'none'}.",
    }
    unknown = f"{as_name(entry['what'])}: {before}, now {after}."
    return sentences.get(entry["what"], unknown)


def prototypes(ids: list[int]) -> str:
    """Name prototypes by their numbers."""
    return f"prototype{'' if len(ids) == 1 else 's'} {listed(ids, MOST) or 'none'}"

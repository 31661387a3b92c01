"""Shared by the pages of the study: results, intervals, tables and numbers."""

import json
from io import StringIO
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from scipy import stats

from study import _store

FITS = 'role="img" style="max-width: 100%; height: auto"'
TITLES = {
    "adult": "Adult",
    "annthyroid": "Annthyroid",
    "bank_marketing": "Bank marketing",
    "celeba_attributes": "CelebA attributes",
    "cifar10": "CIFAR-10",
    "cifar10_resnet18": "CIFAR-10 features",
    "digits": "Digits",
    "fashion_mnist": "Fashion-MNIST",
    "fashion_mnist_mlp": "Fashion-MNIST embeddings",
    "mammography": "Mammography",
    "mnist": "MNIST",
    "mnist_pixels": "MNIST pixels",
    "mvtec_resnet18": "MVTec features",
    "quickdraw": "QuickDraw",
    "utkface": "UTKFace",
}


def cells(question, folder=_store.RESULTS):
    """Read the cells of a question: pairs of settings and results."""
    paths = sorted((Path(folder) / question).glob("*.json"))
    known = [json.loads(path.read_text()) for path in paths]
    return [(of["settings"], of["found"]) for of in known]


def over_seeds(question, *keys, folder=_store.RESULTS):
    """Group results by some of the settings: lists with one result for each seed."""
    groups = {}
    for settings, found in cells(question, folder):
        groups.setdefault(tuple(settings[key] for key in keys), []).append(found)
    return groups


def interval(values):
    """Return the mean and half of its 95 % t-interval; NaN for one value."""
    values = np.asarray(values, float)
    if len(values) < 2:
        return float(values.mean()), float("nan")
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return float(values.mean()), float(half)


def stated(values, form=".1f", scale=1):
    """Write a mean and its interval: "98.2 ± 0.1"."""
    mean, half = interval(np.multiply(values, scale))
    return rounded(mean, form) + (
        "" if np.isnan(half) else f" ± {half:{form.lstrip('+')}}"
    )


def percent(values):
    return stated(values, scale=100)


def table(title, header, rows):
    """Write a table in reStructuredText."""
    lines = [f".. list-table:: {title}", "   :header-rows: 1", ""]
    for row in [header, *rows]:
        marks = ["*", *" " * (len(row) - 1)]
        lines += [f"   {mark} - {cell}" for mark, cell in zip(marks, row, strict=True)]
    return "\n".join([*lines, ""])


def tabs(parts):
    """Write tabs from titles and contents."""
    lines = [".. tab-set::", ""]
    for title, content in parts.items():
        lines += [f"   .. tab-item:: {title}", ""]
        lines += [f"      {line}".rstrip() for line in content.splitlines()] + [""]
    return "\n".join(lines)


def substitutions(numbers):
    """Write the numbers that a page refers to as |name|."""
    return "".join(f".. |{name}| replace:: {text}\n" for name, text in numbers.items())


def span(values, form=".1f", scale=1):
    """Write the smallest and the largest of some means: "0.3 to 1.2"."""
    low, high = (rounded(of * scale, form) for of in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def rounded(value, form):
    """Write a number; zero has no sign."""
    text = f"{value:{form}}"
    return text if float(text) else text.lstrip("+-")


def log_axis(ax, label, ticks):
    ax.set(xscale="log", xlabel=label)
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.set_xticks([], minor=True)


def panels(titles, draw, alt, columns=3):
    """Draw a figure with one panel for each title, as HTML."""
    rows = -(-len(titles) // columns)
    figure = Figure(figsize=(3.2 * columns, 2.7 * rows), layout="constrained")
    axes = np.ravel(figure.subplots(rows, columns, squeeze=False))
    for ax, title in zip(axes, titles, strict=False):
        draw(ax, title)
        ax.set_title(TITLES.get(title, title), fontsize=10)
    for ax in axes[len(titles) :]:
        ax.set_axis_off()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
    return picture(figure, alt)


def picture(figure, alt):
    drawn = StringIO()
    with rc_context({"svg.hashsalt": "study"}):  # the same picture each time
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    svg = drawn.getvalue()
    svg = svg[svg.index("<svg") :].replace(
        "<svg", f'<svg role="img" aria-label="{alt}"', 1
    )
    lines = [f"   {line}" for line in svg.splitlines()]
    return "\n".join([".. raw:: html", "", *lines, ""])

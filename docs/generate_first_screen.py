"""Draw the picture of the first screen: a decision about an image, a table and a text.

    SKLEARN_KMEX_DATA=folder python docs/generate_first_screen.py

The folder holds `fashion_mnist.npz` (Fashion-MNIST, MIT licence), `tab_adult.npz` and
`text_sms_spam.csv.gz` (Adult and SMS Spam Collection, UCI, CC BY 4.0). The picture goes
to `docs/_static/decisions.png`.
"""

import csv
import gzip
import os
import sys
from pathlib import Path
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from PIL import Image
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, OneHotEncoder, StandardScaler

from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex.explain import contrast, explain, relevance

PICTURE = Path(__file__).parent / "_static" / "decisions.png"
FOR, AGAINST, TEXT, QUIET = "#1f6fb4", "#d9730d", "#1c1e21", "#5f6670"
LEFT, RIGHT = 0.012, 0.988
IMAGE, PERSON, MESSAGE = 7821, 7, 1189  # numbers of test samples


def images(folder):
    """Train a small network on Fashion-MNIST, and explain one of its images."""
    with np.load(folder / "fashion_mnist.npz") as data:
        X, X_test = (
            data[f"x_{part}"][:, np.newaxis].astype(np.float32) / 255
            for part in ("train", "test")
        )
        names = np.array([str(name) for name in data["class_names"]])
        y = names[data["y_train"]]
    X, y = X[:20_000], y[:20_000]
    psem = make_kmex(train(X, y), n_prototypes=5, random_state=0).fit(X, y)
    sample = X_test[IMAGE : IMAGE + 1]
    found = explain(psem, sample, X_train=X)[0]
    return found, X[found.training_rows[0]], relevance(psem, sample, "margin")[0, 0]


def train(X, y, n_epochs=4):
    """Train a network of two convolutions."""
    torch.manual_seed(0)
    nn = torch.nn
    network = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(32 * 49, 64), nn.ReLU()),
        nn.Linear(64, len(np.unique(y))),
    )
    rows, codes = (
        torch.from_numpy(X),
        torch.tensor(np.unique(y, return_inverse=True)[1]),
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    for _ in range(n_epochs):
        for batch in torch.randperm(len(rows)).split(100):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(rows[batch]), codes[batch]).backward()
            optimizer.step()
    return network


def table(folder):
    """Fit a model to the columns of the census, and split one decision over them."""
    with np.load(folder / "tab_adult.npz") as data:
        (X, y), (X_test, _) = (people(data, part) for part in ("train", "test"))
    numbers = make_column_selector(dtype_include=np.number)
    coded = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    columns = make_column_transformer((StandardScaler(), numbers), remainder=coded)
    psem = make_pipeline(columns, KMExClassifier(10, random_state=0)).fit(X, y)
    return [contrast(psem, X_test[PERSON : PERSON + 1])[0]]


def people(data, part):
    """Rows of the census as a frame, and their classes."""
    X = pd.DataFrame(data[f"num_{part}"], columns=[str(n) for n in data["num_names"]])
    for j, name in enumerate(data["cat_names"]):
        levels = np.array([str(level) for level in data[f"levels_{name}"]])
        X[str(name)] = np.where(levels == "?", "unknown", levels)[
            data[f"cat_{part}"][:, j]
        ]
    y = np.where(data[f"y_{part}"], "above 50K", "up to 50K")
    return X.drop(columns="fnlwgt"), y  # the weight of the row in the census


def text(folder):
    """Fit a model to text messages, and find the messages behind one decision."""
    path = folder / "text_sms_spam.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    order = np.random.RandomState(0).permutation(len(rows))
    X = np.array([row["text"] for row in rows], dtype=object)[order]
    y = np.array([row["label"] for row in rows])[order]
    psem = make_pipeline(
        TfidfVectorizer(sublinear_tf=True),
        TruncatedSVD(100, random_state=0),
        Normalizer(),
        KMExClassifier(20, random_state=0),
    ).fit(X[:4000], y[:4000])
    message = X[4000 + MESSAGE]
    found = explain(psem, [message])[0]
    return found, message, X[:4000][found.training_rows[0]]


def heading(figure, title, answer, call):
    """Write what is shown, the decision, and the call that explains it."""
    height = figure.bbox.height / figure.dpi  # in inches
    line = {"va": "top", "color": TEXT}
    first, second = 1 - 0.08 / height, 1 - 0.33 / height
    figure.text(LEFT, first, title, size=12.5, weight="bold", **line)
    figure.text(LEFT, second, answer, size=10.5, **line)
    line = {"va": "top", "ha": "right", "color": QUIET, "family": "monospace"}
    figure.text(RIGHT, first, call, size=9, **line)


def grid(figure, n_columns, **sides):
    """Divide what is left below the heading into columns, in inches."""
    height = figure.bbox.height / figure.dpi
    sides = {"left": LEFT, "right": RIGHT, "wspace": 0.08} | sides
    top, bottom = 1 - sides.pop("top") / height, sides.pop("bottom") / height
    axes = figure.subplots(1, n_columns, squeeze=False)[0]
    figure.subplots_adjust(top=top, bottom=bottom, **sides)
    return axes


def frame(ax, title, colour):
    """Draw the border and the title of an example."""
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, size=9.5, color=colour, pad=5)
    for spine in ax.spines.values():
        spine.set(color=colour, linewidth=1.5)


def captions(found):
    """Titles and colours of the most similar prototypes."""
    pairs = zip(found.prototype_labels[0], found.similarities[0], strict=True)
    titles = [f"{label}, similarity {similarity:.2f}" for label, similarity in pairs]
    same = found.prototype_labels[0] == found.predictions[0]
    return titles, [FOR if one else AGAINST for one in same]


def draw_image(figure, found, examples, heat):
    """Draw an image, the training images it resembles, and a relevance map."""
    label, other = found.predictions[0], found.runner_up[0]
    heading(
        figure,
        "An image",
        f"Prediction: {label}. The training images of the most similar prototypes, and "
        f"what speaks for {label} (red) or {other} (blue).",
        'explain(psem, X, X_train=X_train)   relevance(psem, X, "margin")',
    )
    axes = grid(figure, 5, top=0.83, bottom=0.12)
    titles, colours = captions(found)
    titles = ["image", *titles, f"{label} or {other}?"]
    for ax, title, colour in zip(axes, titles, [TEXT, *colours, QUIET], strict=True):
        frame(ax, title, colour)
    for ax, picture in zip(axes, [found.samples[0], *examples], strict=False):
        ax.imshow(picture[0], cmap="gray_r", vmin=0, vmax=1)
    most = np.abs(heat).max()
    axes[-1].imshow(heat, cmap="RdBu_r", vmin=-most, vmax=most)
    axes[-1].contour(found.samples[0, 0], [0.05], colors=QUIET, linewidths=1)


def draw_table(figure, found, n_shown=5):
    """Draw one row beside both prototypes, and what each column contributes."""
    label, other = found.labels[0], found.against[0]
    heading(
        figure,
        "A table",
        f"Prediction: {label}. What each column contributes to the decision. "
        "The contributions sum to the margin exactly.",
        "contrast(psem, X)",
    )
    table = found.frame()
    shown = table.head(n_shown)
    rest = table.contribution[n_shown:]
    bars = [*shown.contribution, rest.sum()]
    ax = grid(figure, 1, top=0.83, bottom=0.08, left=0.68, right=0.93)[0]
    places = np.arange(len(bars))
    ax.barh(places, bars, color=[FOR if bar > 0 else AGAINST for bar in bars])
    ax.bar_label(ax.containers[0], [f"{bar:+.2f}" for bar in bars], padding=3, size=9.5)
    ax.axvline(0, color=TEXT, linewidth=0.8)
    ax.set_ylim(len(bars) - 0.5, -0.5)
    ax.set_axis_off()
    columns = [
        (LEFT, "column", [*shown.feature, f"{len(rest)} other columns"], TEXT),
        (0.18, "this person", shown.value, TEXT),
        (0.34, f"prototype, {label}", shown.prototype_value, FOR),
        (0.51, f"prototype, {other}", shown.against_value, AGAINST),
    ]
    for x, title, values, colour in columns:
        for y, value in zip([-1, *places], [title, *values], strict=False):
            write(figure, ax, x, y, value, color=colour if y >= 0 else QUIET)


def write(figure, ax, x, y, value, color):
    """Write a value into the row of a bar."""
    to_figure = figure.transSubfigure.inverted()
    height = to_figure.transform(ax.transData.transform((0, y)))[1]
    text = value if isinstance(value, str) else f"{value:.0f}"
    figure.text(x, height, text, size=9.5, color=color, va="center")


def draw_text(figure, found, message, examples):
    """Draw a message beside the training messages it resembles."""
    heading(
        figure,
        "A text",
        f"Prediction: {found.predictions[0]}. The training messages of the most "
        "similar prototypes.",
        "explain(psem, X)",
    )
    axes = grid(figure, 4, top=0.83, bottom=0.08, wspace=0.05)
    titles, colours = captions(found)
    for ax, words, title, colour in zip(
        axes, [message, *examples], ["message", *titles], [TEXT, *colours], strict=True
    ):
        frame(ax, title, colour)
        ax.text(0.03, 0.93, cut(words), size=8.5, va="top", color=TEXT, linespacing=1.4)


def cut(words, width=32, n_lines=5):
    """Break a message into lines, of which the first are shown."""
    lines = fill(words, width).split("\n")
    return "\n".join(lines[:n_lines]) + (" ..." if len(lines) > n_lines else "")


def main():
    folder = os.environ.get("SKLEARN_KMEX_DATA")
    if folder is None:
        sys.exit("Set SKLEARN_KMEX_DATA to the folder that holds the data sets.")
    parts = [
        (draw_image, images, 2.75),
        (draw_table, table, 2.3),
        (draw_text, text, 2.1),
    ]
    heights = [height for *_, height in parts]
    figure = plt.figure(figsize=(10, sum(heights)), facecolor="white")
    rows = figure.subfigures(len(parts), 1, height_ratios=heights)
    for row, (draw, explained, _) in zip(rows, parts, strict=True):
        draw(row, *explained(Path(folder)))
    figure.savefig(PICTURE, dpi=150)
    with Image.open(PICTURE) as picture:
        few_colours = picture.convert("RGB").quantize(255)
    few_colours.save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()

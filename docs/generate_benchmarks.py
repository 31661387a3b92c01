"""Write the tables that the user guide includes, from the results of the benchmarks."""

import json
from functools import partial
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"


def write_tables(folder):
    """Write each table into a folder; a sentence where there are no results."""
    folder.mkdir(exist_ok=True)
    for name, make in TABLES.items():
        path = RESULTS / f"{name.partition('.')[0]}.json"
        text = "*There are no results of this yet.*\n"
        if path.exists():
            text = make(json.loads(path.read_text()))
        (folder / f"{name}.inc").write_text(text)


def list_table(caption, rows):
    """A table of cells as text; the first row is the header."""
    lines = [f".. list-table:: {caption}", "   :header-rows: 1", ""]
    for row in rows:
        lines += [f"   {' ' if n else '*'} - {cell}" for n, cell in enumerate(row)]
    return "\n".join(lines) + "\n"


def where(result):
    names = {
        "sklearn": "scikit-learn",
        "numpy": "NumPy",
        "sklearn_kmex": "sklearn-kmex",
    }
    versions = result.get("versions", {}).items()
    return ", ".join(
        [result["machine"], *(f"{names.get(n, n)} {v}" for n, v in versions)]
    )


def fit(result):
    """Time relative to the built-in solver, and excess inertia over ten restarts."""
    cases = result["fit"]

    def cell(case, name):
        times = case["seconds"][name] / case["seconds"][case["reference"]]
        return f"{times:.1f}, {case['excess inertia'][name]:+.2%}"

    solvers = next(iter(cases.values()))["seconds"]
    rows = [[name, *(cell(case, name) for case in cases.values())] for name in solvers]
    return list_table(f"On {where(result)}", [["", *cases], *rows])


def predict(result):
    """Seconds, and their ratio to the matrix product alone."""
    cases = result["predict"]

    def cell(case, name):
        seconds = case["seconds"][name]
        return f"{seconds:.3g} s, {seconds / case['seconds'][case['reference']]:.2f}"

    names = next(iter(cases.values()))["seconds"]
    rows = [[f"`{n}`", *(cell(case, n) for case in cases.values())] for n in names]
    titles = [title.removeprefix("predict, ") for title in cases]
    return list_table(f"On {where(result)}", [["", *titles], *rows])


def inertia(result):
    def row(title, found):
        error = f"{found['standard error']:.3%}"
        return [
            title,
            found["classes"],
            found["rows"],
            f"{found['excess']:+.3%}",
            error,
        ]

    header = ["data", "classes", "rows", "excess inertia", "standard error"]
    rows = [row(*item) for item in result.items()]
    return list_table(
        "Compared with ten restarts, mean over ten seeds", [header, *rows]
    )


def growth(result):
    sized = [name for name in result if name in result["base"]]
    whats = [what for what in result[sized[0]] if what != "sizes"]
    rows = [
        [
            name,
            f"{min(result[name]['sizes'])} to {max(result[name]['sizes'])}",
            *(f"{result[name][what]['exponent']:.2f}" for what in whats),
        ]
        for name in sized
    ]
    base = ", ".join(f"{count:,} {name}" for name, count in result["base"].items())
    caption = f"Growth exponents, starting at {base}, on {where(result)}"
    return list_table(caption, [["growing", "sizes", *whats], *rows])


def large(result):
    """Time and inertia relative to one restart of KMeans, and peak memory."""

    def row(threads, name, found):
        peer = ", n_jobs=2" if "n_jobs" in name else ""
        peer = result["fit"][threads]["KMeans(n_init=1) of each class" + peer]
        more = found["inertia"] and f"{found['inertia'] / peer['inertia'] - 1:+.2%}"
        times = f"{found['seconds'] / peer['seconds']:.2f}"
        seconds, memory = f"{found['seconds']:.1f}", f"{found['MiB']:.0f}"
        return [name, threads, seconds, times, memory, more or ""]

    size = f"{result['rows']:,} x {result['features']:,}, {result['classes']:,} classes"
    header = ["", "threads", "seconds", "ratio", "peak MiB", "inertia"]
    runs = [(t, *item) for t, found in result["fit"].items() for item in found.items()]
    rows = [row(*run) for run in runs]
    return list_table(f"{size}, on {where(result)}", [header, *rows])


def max_samples(result):
    titles = [title for title in result if title != "seeds"]

    def cell(found):
        return f"{found['inertia']['mean']:+.1%}, {found['accuracy']:+.3f}"

    rows = [[n, *(cell(result[t][n]) for t in titles)] for n in result[titles[0]]]
    caption = f"Inertia and held-out accuracy, mean over {result['seeds']} seeds"
    return list_table(caption, [["`max_samples`", *titles], *rows])


def leaks(result):
    """Share of planted copies that are found, and of other rows that are listed."""
    rows = [
        [name, f"{found['recall']:.1%}", f"{found['false']:.1%}"]
        for name, found in result.items()
        if found["recall"] is not None
    ]
    caption = "Copies in one of ten test rows"
    return list_table(caption, [["", "found", "others listed"], *rows])


def forget(result):
    """Predictions equal to those of a refit, and time as a share of a fit."""

    def row(name, share, data):
        found, fit = data[share], data["fit_seconds"]
        return [
            name,
            f"{float(share):.0%}",
            f"{found['same_predictions']:.2%}",
            f"{found['seconds'] / fit:.1%}",
            f"{found['same_with_rest']:.2%}",
            f"{found['seconds_with_rest'] / fit:.1%}",
        ]

    rows = [
        row(name, share, data)
        for name, data in result["data"].items()
        for share in ("0.01", "0.1")
    ]
    header = ["", "removed", "rows alone", "of a fit", "with `X_train`", "of a fit"]
    return list_table(f"Equal predictions, on {where(result)}", [header, *rows])


def protoselect(result):
    rows = []
    for size, found in result["rows"].items():
        first = next(iter(found["seconds"].values()))
        for name, seconds in found["seconds"].items():
            accuracy = f"{found['accuracy'][name]:.3f}"
            rows.append(
                [size, name, f"{seconds:.2f}", f"{seconds / first:.1f}", accuracy]
            )
    header = ["rows", "", "seconds", "ratio", "accuracy"]
    return list_table(
        f"On {result['machine']}, alibi {result['alibi']}", [header, *rows]
    )


GAINS = (
    "similarity, one threshold",
    "similarity, by class",
    "probability, one threshold",
)


def gains(result):
    """Gain in accuracy from refusing a tenth: the mean and the worst split."""

    def cell(found, method):
        points = (100 * found[method][which] for which in ("mean", "min"))
        return "{:+.1f} ({:+.1f})".format(*points)

    rows = [
        [
            name,
            f"{100 * found['accuracy']['mean']:.1f}",
            *(cell(found, method) for method in GAINS),
        ]
        for name, found in result["data sets"].items()
    ]
    caption = (
        f"Gain in percentage points; in parentheses the worst of {result['splits']}"
    )
    header = ["data, model", "accuracy, %", *GAINS]
    return list_table(f"{caption} splits", [header, *rows])


def strangers(result):
    """AUROC of known samples against samples of other classes."""
    titles = {
        "score_samples": "`score_samples`",
        "score_samples, whitened": "`score_samples`, whitened by PCA",
        "largest predict_proba": "largest `predict_proba`",
        "logistic regression, largest softmax": "logistic regression, largest softmax",
    }
    rows = [
        [
            name,
            *(f"{found[score]['mean']:.3f}" for score in titles),
            f"{100 * found['others refused']['mean']:.0f}",
            f"{100 * found['known refused']['mean']:.0f}",
        ]
        for name, found in result["other classes"].items()
    ]
    header = ["data", *titles.values(), "others refused, %", "known refused, %"]
    return list_table(f"AUROC, mean of {result['splits']} splits", [header, *rows])


KINDS = ("chosen", "five", "paper")


def accuracy(result):
    """Accuracy of the black box, and points lost with the interval over splits."""

    def lost(row):
        mean, half = (100 * row["lost"][which] for which in ("mean", "half width"))
        return f"{mean:+.1f} ± {half:.1f}"

    def box(row):
        return 100 * (row["accuracy"]["mean"] + row["lost"]["mean"])

    def average(rows, of):
        return sum(map(of, rows)) / len(rows)

    rows = [
        [
            case,
            f"{box(row):.1f}",
            *(lost(result[kind][case]) for kind in KINDS),
            made(row),
        ]
        for case, row in result["chosen"].items()
    ]
    means = [
        average(result[kind].values(), lambda row: 100 * row["lost"]["mean"])
        for kind in KINDS
    ]
    overall = f"{average(result['chosen'].values(), box):.1f}"
    rows.append(["mean", overall, *(f"{mean:+.2f}" for mean in means), ""])
    caption = (
        "Accuracy of the black box, and points lost by prototypes (negative: gained), "
        f"with 95 % intervals over {result['splits']} splits"
    )
    header = ["", "black box, %", *KINDS, "chosen most often"]
    return list_table(caption, [header, *rows])


def made(row):
    """Number, metric, similarity, aggregation and priors chosen in most splits."""
    return max(row["made"], key=row["made"].count).replace(" ", ", ")


def loss(result):
    """Log-loss of the black box and of each classifier."""
    columns = {"black box": ("chosen", "log-loss of the black box")}
    columns |= {kind: (kind, "log-loss") for kind in KINDS}
    return by_case("Log-loss on test samples", result, columns)


def fidelity(result):
    """Fidelity to the black box, and likeness of what is shown."""
    columns = {
        f"{what}, {kind}": (kind, what)
        for what in ("fidelity", "likeness")
        for kind in KINDS
    }
    return by_case("Fidelity and likeness on test samples", result, columns)


def by_case(caption, result, columns):
    """A table with a row for each case; columns are a classifier and a measure."""

    def mean(case, kind, what):
        return result[kind][case][what]["mean"]

    values = {
        case: [mean(case, *of) for of in columns.values()] for case in result["chosen"]
    }
    averages = [sum(of) / len(of) for of in zip(*values.values(), strict=True)]
    rows = [
        [case, *(f"{value:.3f}" for value in of)]
        for case, of in [*values.items(), ("mean", averages)]
    ]
    return list_table(caption, [["", *columns], *rows])


def short(result):
    """What was aimed at and not reached."""
    lines = [
        f"- {kind}, {line}"
        for kind in KINDS
        for line in result.get(f"{kind}, falls short", [])
    ]
    return "\n".join(lines or ["Nothing."]) + "\n"


def metric_times(result, action):
    """Seconds in each metric, and their ratio to the Euclidean one."""
    cases = {name: of for name, of in result.items() if name.startswith(action)}

    def cell(case, name):
        seconds = case["seconds"][name]
        return f"{seconds:.2g} s, {seconds / case['seconds'][case['reference']]:.1f}"

    names = next(iter(cases.values()))["seconds"]
    rows = [[name, *(cell(case, name) for case in cases.values())] for name in names]
    titles = [title.removeprefix(f"{action}, ") for title in cases]
    return list_table(f"`{action}` on {where(result)}", [["", *titles], *rows])


def small_times(result, what, unit):
    """Milliseconds, and their ratio to the reference, for each small table."""
    cases = result["times"][what]

    def cell(case, name):
        seconds = case["seconds"].get(name)
        if seconds is None:
            return ""
        return (
            f"{1e3 * seconds:.3g}, {seconds / case['seconds'][case['reference']]:.2f}"
        )

    names = max((case["seconds"] for case in cases.values()), key=len)
    rows = [[name, *(cell(case, name) for case in cases.values())] for name in names]
    reference = next(iter(cases.values()))["reference"]
    caption = f"Milliseconds of {unit}, and ratio to {reference}"
    return list_table(f"{caption}, on {where(result)}", [["", *cases], *rows])


def small_inertia(result):
    cells = [f"{excess:+.2%}" for excess in result["inertia"].values()]
    caption = "Inertia compared with ten restarts of KMeans, mean over ten seeds"
    return list_table(caption, [["", *result["inertia"]], ["excess inertia", *cells]])


def small_grid(result):
    """Milliseconds of a fit, and their ratio to one restart, by classes and rows."""
    ours, one = result["grid"][0]["seconds"]
    cells = {
        (case["classes"], case["rows"]): f"{1e3 * case['seconds'][ours]:.3g}, "
        f"{case['seconds'][ours] / case['seconds'][one]:.2f}"
        for case in result["grid"]
    }
    counts, sizes = (sorted({key[k] for key in cells}) for k in (0, 1))
    rows = [[f"{n:,}", *(cells.get((n, size), "") for size in sizes)] for n in counts]
    header = ["classes", *(f"{size:,} rows each" for size in sizes)]
    growth = f"exponent in the number of classes {result['growth']['exponent']:.2f}"
    caption = f"Milliseconds of fit, and ratio to {one}; {growth}"
    return list_table(caption, [header, *rows])


def seconds(result, part):
    """Seconds of each contestant, and their ratio to the reference."""
    case = result[part]
    reference = case["seconds"][case["reference"]]
    rows = [
        [name, f"{of:.3g}", f"{of / reference:.2f}"]
        for name, of in case["seconds"].items()
    ]
    return list_table(f"On {where(result)}", [["", "seconds", "ratio"], *rows])


def tables(result):
    """Errors of sums, and falls of the margin without leading and random columns."""
    rows = [["", "Method", "Error", "Leading three", "Random three"]]
    for name, methods in result["tables"].items():
        for method, one in methods.items():
            falls = [f"{one[which]:.2f}" for which in ("leading", "random")]
            rows.append([name, method, f"{one['error']:.0e}", *falls])
    caption = "Largest error of the sum, and fall of the margin, by model and method"
    return list_table(caption, rows)


def deletions(result):
    """How much the margin falls without three columns, relative to its mean size."""
    header = ["table", "model", "method", "leading", "random", "rows", "error"]
    rows = [
        [
            table,
            model,
            found["method"],
            f"{found['leading']:.0%}",
            f"{found['random']:.0%}",
            f"{found['rows']:.0%}",
            f"{found['error']:.0e}",
        ]
        for table, cases in result["tables"].items()
        for model, found in cases.items()
    ]
    return list_table(f"On {where(result)}", [header, *rows])


MARKS = {"works": "yes", "partly": "of a step", "refused": "no", "FAILED": "error"}


def battery(result):
    """What works of each kind of models; refusals have a number."""
    notes = refusals(result)
    steps = list(max((of["steps"] for of in result["kinds"].values()), key=len))

    def cell(found, step):
        if step not in found:
            return ""
        outcome, note = found[step]
        number = f" ({notes.index(note) + 1})" if outcome == "refused" else ""
        word = note if note.startswith("trusted=") and len(note) < 40 else ""
        return f"{MARKS[outcome]}{number}" + (f", `{word}`" if word else "")

    rows = [
        [name, *(cell(of["steps"], step) for step in steps)]
        for name, of in result["kinds"].items()
    ]
    return list_table(f"{len(rows)} kinds, on {where(result)}", [["", *steps], *rows])


def refusals(result):
    """List the sentences of all refusals, each once."""
    found = [
        note
        for of in result["kinds"].values()
        for outcome, note in of["steps"].values()
        if outcome == "refused"
    ]
    return list(dict.fromkeys(found))


def battery_notes(result):
    """Number the sentences of refusals, as literal text."""
    lines = []
    for number, note in enumerate(refusals(result), 1):
        text = " ".join(note.split()).replace("``", "`")
        lines.append(
            f"{number}. ``{text}``" if "``" not in text else f"{number}. {text}"
        )
    return "\n".join(lines) + "\n"


def texts(result):
    """Mean accuracy in percent over the splits, with the interval."""
    lines = []
    for kind in ("MiniLM", "tf-idf"):
        found = {
            name.partition(",")[0]: one["accuracy"]
            for name, one in result.items()
            if name.endswith(f", {kind}")
        }
        models = next(iter(found.values()))
        cells = [
            [model, *(_percent_of(rows[model]) for rows in found.values())]
            for model in models
        ]
        titles = [TEXT_SETS[name] for name in found]
        caption = f"Accuracy on vectors of {kind}, %"
        lines.append(list_table(caption, [["", *titles], *cells]))
    return "\n".join(lines)


TEXT_SETS = {"sms_spam": "spam", "subj": "subjectivity", "trec": "questions"}


def _percent_of(row):
    return f"{row['mean']:.1f} ± {row['half width']:.1f}"


TABLES = {
    "deletions": deletions,
    "battery": battery,
    "battery.notes": battery_notes,
    "kmeans.fit": fit,
    "kmeans.predict": predict,
    "inertia": inertia,
    "forget": forget,
    "growth": growth,
    "large": large,
    "large_full": large,
    "leaks": leaks,
    "max_samples": max_samples,
    "metric.fit": partial(metric_times, action="fit"),
    "metric.predict": partial(metric_times, action="predict"),
    "parity.accuracy": accuracy,
    "parity.fidelity": fidelity,
    "parity.loss": loss,
    "parity.short": short,
    "protoselect": protoselect,
    "refusal.gains": gains,
    "refusal.strangers": strangers,
    "small.fit": partial(small_times, what="fit", unit="fit"),
    "small.predict": partial(small_times, what="predict", unit="predict"),
    "small.inertia": small_inertia,
    "small.grid": small_grid,
    "small.searches": partial(seconds, part="searches"),
    "small.import": partial(seconds, part="import"),
    "tables": tables,
    "texts": texts,
}

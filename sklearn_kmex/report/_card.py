"""The report as a model card of skops."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sklearn_kmex.report._render import render_markdown
from sklearn_kmex.utils import check_dependency

if TYPE_CHECKING:
    from skops.card import Card

OPEN = "[More Information Needed]"  # what skops writes for people to fill in
WHOLE, TRAINING = "Model description", "Model description/Training Procedure"
RESULTS = "Model description/Evaluation Results"
# Sections of the card for the sections of the report, some of which may be absent.
PLACES = {
    "Summary": WHOLE,
    "Model": f"{TRAINING}/Hyperparameters",
    "How prototypes decide": f"{TRAINING}/How prototypes decide",
    "Data": f"{TRAINING}/Data",
    "Manual edits": f"{TRAINING}/Manual edits",
    "Performance": RESULTS,
    "Predicates of a self-explainable model": f"{RESULTS}/Predicates",
    "Probabilities": f"{RESULTS}/Probabilities",
    "Prototypes": "Model description/Prototypes",
}
START = """```python
{lines}
labels = psem.predict(X)
```
"""
SKOPS = """import skops.io
from sklearn_kmex.persistence import TRUSTED_TYPES

psem = skops.io.load({path}, trusted=TRUSTED_TYPES)"""
PSEM = """from sklearn_kmex.persistence import load_psem

# with a torch encoder, module=..., as your code makes it
psem = load_psem({path})"""
PAPER = """```
@article{gautam2024prototypical,
  title={Prototypical Self-Explainable Models Without Re-training},
  author={Gautam, Srishti and Boubekki, Ahcene and H{\\"o}hne, Marina M.-C. and
          Kampffmeyer, Michael},
  journal={arXiv:2312.07822},
  year={2024}
}
```
"""


def make_card(content: dict[str, Any], path: Any) -> "Card":
    """Arrange the report in the sections of a card of skops."""
    card = check_dependency("skops.card", caller="to_card", extra="persist")
    found = sections(render_markdown(content))
    filled = {place: found[name] for name, place in PLACES.items() if name in found}
    made = {
        WHOLE: filled.pop(WHOLE),
        f"{WHOLE}/Intended uses & limitations": OPEN,
        **filled,
        "How to Get Started with the Model": get_started(path),
        "Model Card Authors": OPEN,
        "Model Card Contact": OPEN,
        "Citation": PAPER,
    }
    return card.Card(None, template=made)


def sections(markdown: str) -> dict[str, str]:
    """Split a report at its headings; text from users never starts a line."""
    _, *parts = re.split(r"^## (.*)\n", markdown, flags=re.MULTILINE)
    texts = (re.sub(r"\n{3,}", "\n\n", text).strip() for text in parts[1::2])
    return dict(zip(parts[::2], texts, strict=True))


def get_started(path: Any) -> str:
    """Return the code that loads the model from its file."""
    lines = SKOPS if Path(path).suffix == ".skops" else PSEM
    return START.format(lines=lines.format(path=repr(str(path))))

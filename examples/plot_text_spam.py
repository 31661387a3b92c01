"""
A spam filter that explains itself
==================================

A pipeline of scikit-learn classifies short messages. Converted, it decides by training
messages, and shows them. `make demo-text` does the same with the SMS Spam Collection,
and with a sentence encoder if one is installed.
"""

# %%
# The black box is logistic regression on the words of a few messages.
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from sklearn_kmex import make_kmex
from sklearn_kmex.explain import explain

PRIZES = ["a free phone", "a cash prize", "two tickets", "a holiday", "a voucher"]
CALLS = [
    "call 0900 555 010 now",
    "text WIN to 80555",
    "reply YES today",
    "claim it now",
]
PLACES = ["the station", "home", "the cinema", "school", "the library"]
PLANS = ["see you at {} tonight", "are you at {} yet?", "I will wait for you at {}",
         "shall we have lunch near {}"]  # fmt: skip
texts = [f"You have won {prize}, {call}" for prize in PRIZES for call in CALLS]
texts += [plan.format(place) for place in PLACES for plan in PLANS]
y = np.repeat(["spam", "ham"], 20)
X_train, X_test, y_train, y_test = train_test_split(
    texts, y, test_size=0.3, stratify=y, random_state=0
)
model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(X_train, y_train)

# %%
# The converted pipeline keeps its vectors. Each prototype is shown by the training
# message that is nearest to it. A prototype decides for the messages that are more
# similar to it than to all others.
psem = make_kmex(model, n_prototypes=3, random_state=0).fit(X_train, y_train)
kmex = psem["kmex"]
for label, row in zip(kmex.prototype_classes_, kmex.prototype_indices_, strict=True):
    print(f"{label}: {X_train[row]}")
print(
    "accuracy:", psem.score(X_test, y_test), "black box:", model.score(X_test, y_test)
)

# %%
# New messages, and the training messages that they are compared with.
new = ["You have won a cash prize, reply YES", "See you at the station at noon"]
similarities, prototypes = kmex.nearest_prototypes(psem[:-1].transform(new), 2)
for text, label, values, ids in zip(
    new, psem.predict(new), similarities, prototypes, strict=True
):
    print(f"{text!r} is {label}:")
    for value, prototype in zip(values, ids, strict=True):
        print(f"  {value:.3f} to {X_train[kmex.prototype_indices_[prototype]]!r}")

# %%
# The same as an object, for a notebook.
explain(psem, new, X_train=X_train)

# %%
# A sentence encoder takes the place of the words in one line:
# `make_kmex(SentenceTransformer("all-MiniLM-L6-v2")).fit(X_train, y_train)`.

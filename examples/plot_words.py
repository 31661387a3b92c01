"""
=====================================
Which words make a message spam
=====================================

A spam filter of tf-idf, truncated SVD and prototypes explains itself in words: each
message is shown beside the closest messages that it learned from, and
:func:`~sklearn_kmex.explain.words` tells exactly what each word adds to the decision.
"""

# %%
# A small set of messages, half of them spam:
import itertools

from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from sklearn_kmex import KMExClassifier
from sklearn_kmex.explain import explain, words

offers = ["win", "claim", "get", "collect"]
goods = ["a free prize", "your cash reward", "a free phone", "your bonus points"]
calls = ["call now", "reply to this number", "text us today"]
plans = ["see you", "meet me", "wait for us", "come over"]
places = ["at home", "after work", "at the station", "for dinner"]
words_of_friends = ["ok?", "tonight", "and bring the phone"]
spam = [" ".join(one) for one in itertools.product(offers, goods, calls)]
ham = [" ".join(one) for one in itertools.product(plans, places, words_of_friends)]
texts, labels = spam + ham, ["spam"] * len(spam) + ["ham"] * len(ham)

# %%
# The usual steps for texts, and prototypes in place of the classifier:
psem = make_pipeline(
    TfidfVectorizer(),
    TruncatedSVD(10, random_state=0),
    Normalizer(),
    KMExClassifier(2, random_state=0),
).fit(texts, labels)

# %%
# The words of new messages. Blue words support the class, orange words oppose it:
messages = [
    "Congratulations, you WIN a free phone! Call now",
    "Call me after work, I have your phone",
    "Dinner at home tonight?",
]
found = words(psem, messages)
found

# %%
# The parts of a score sum to it exactly. Words that the message lacks count as well:
total = found.relevance[1].sum() + sum(found.absent[1].values()) + found.rest[1]
print(f"margin {found.score[1]:.4f}, sum of its parts {total:.4f}")
found[1].frame().head(8)

# %%
# The same as a figure:
_ = found.plot()

# %%
# The reasons of a decision are the closest training messages, and the words that make
# them close:
explanation = explain(psem, messages, X_train=texts, y_train=labels, reasons=True)
explanation

# %%
print("\n".join(explanation.reasons))
_ = explanation.plot()

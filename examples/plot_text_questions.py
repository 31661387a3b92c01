"""
What a question asks for
========================

Six kinds of questions, as in the TREC collection, ask for persons, places, numbers,
things, descriptions and abbreviations. KMEx decides by the questions that it has seen,
on words of tf-idf or on their components.
"""

# %%
# Questions from patterns and topics, since this page needs no downloads.
import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from sklearn_kmex import make_kmex

PATTERNS = {
    "person": ["who {} the {}", "which person {} the {}", "name the man who {} the {}"],
    "place": ["where was the {1} {0}", "in which city was the {1} {0}",
              "what country {} the {}"],
    "number": ["how many people {} the {}", "when was the {1} {0}",
               "what year was the {1} {0}"],
    "thing": ["what was {0} with the {1}", "which tool {0} the {1}",
              "what kind of {1} was {0}"],
    "description": ["why was the {1} {0}", "what does it mean that the {1} was {0}",
                    "how was the {1} {0}"],
    "abbreviation": ["what does the abbreviation of {1} stand for",
                     "what is the {1} short for", "what is the {1} abbreviated to"],
}  # fmt: skip
VERBS = ["invented", "built", "found", "painted", "bought", "designed"]
TOPICS = ["telephone", "bridge", "telescope", "portrait", "company", "opera", "canal"]
rows = [
    (pattern.format(verb, topic), kind)
    for kind, patterns in PATTERNS.items()
    for pattern in patterns
    for verb in VERBS
    for topic in TOPICS
]
texts, y = map(np.array, zip(*dict(rows).items(), strict=True))
X_train, X_test, y_train, y_test = train_test_split(
    texts, y, train_size=150, stratify=y, random_state=0
)

# %%
# Fit both. Steps that are not fitted yet are fitted with the pipeline.
words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2))
components = make_pipeline(words, TruncatedSVD(60, random_state=0))
for name, steps, metric in (
    ("words", words, "cosine"),
    ("components", components, "mahalanobis"),
):
    psem = make_kmex(steps, metric=metric, random_state=0).fit(X_train, y_train)
    print(f"{name}: accuracy {psem.score(X_test, y_test):.3f}")

# %%
# The questions that stand for each kind, by the last model.
kmex = psem["kmex"]
for label, row in zip(kmex.prototype_classes_, kmex.prototype_indices_, strict=True):
    print(f"{label}: {X_train[row]}")

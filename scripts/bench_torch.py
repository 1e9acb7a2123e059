#!/usr/bin/env python3
"""Training speed of PyTorch on the models of bench_learn: one thread, plain SGD on float tensors in memory.

Prints lines `model,batch,samples_per_s`. The caller sets MALLOC_TRIM_THRESHOLD_, MALLOC_MMAP_THRESHOLD_ and
MALLOC_TOP_PAD_ (PyTorch is 1.1 to 1.4 times faster with them raised).
"""
import argparse
import os
import time


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="logistic,mlp,lenet5,cnn_same,cnn_valid")
    parser.add_argument("--batch", default="64,128")
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


ARGUMENTS = read_arguments()
# torch.set_num_threads does not reach an OpenBLAS that Debian's PyTorch calls; it reads this when it is loaded.
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(ARGUMENTS.threads)

import torch  # noqa: E402
from torch import nn  # noqa: E402

SAMPLES = 60_000


def convolution(channels, filters, padding):
    return [nn.Conv2d(channels, filters, 5, padding=padding), nn.ReLU(), nn.MaxPool2d(2)]


MODELS = {
    "logistic": lambda: [nn.Flatten(), nn.Linear(784, 10)],
    "mlp": lambda: [nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10)],
    "lenet5": lambda: [*convolution(1, 6, 2), *convolution(6, 16, 0), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(),
                       nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)],
    "cnn_same": lambda: [*convolution(1, 16, 2), *convolution(16, 32, 2), nn.Flatten(), nn.Linear(1568, 10)],
    "cnn_valid": lambda: [*convolution(1, 16, 0), *convolution(16, 32, 0), nn.Flatten(), nn.Linear(512, 10)],
}


def samples_per_second(name, batch, seconds, images, labels):
    model = nn.Sequential(*MODELS[name]())
    loss = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    order = torch.randperm(SAMPLES)
    at = 0

    def step():
        nonlocal at
        if at + batch > SAMPLES:
            at = 0
        chosen = order[at:at + batch]
        at += batch
        optimizer.zero_grad()
        loss(model(images[chosen]), labels[chosen]).backward()
        optimizer.step()

    for _ in range(10):
        step()
    start = time.perf_counter()
    steps = 0
    while time.perf_counter() - start < seconds:
        for _ in range(5):
            step()
        steps += 5
    return steps * batch / (time.perf_counter() - start)


def main():
    torch.set_num_threads(ARGUMENTS.threads)
    torch.manual_seed(1)
    images = (torch.randint(0, 256, (SAMPLES, 1, 28, 28), dtype=torch.uint8).float() - 127.5) / 73.9
    labels = torch.randint(0, 10, (SAMPLES,))
    for name in ARGUMENTS.models.split(","):
        for batch in ARGUMENTS.batch.split(","):
            speed = samples_per_second(name, int(batch), ARGUMENTS.seconds, images, labels)
            print(f"{name},{batch},{speed:.0f}", flush=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Makes the text files beside it, each with NAME.expected: a line a sample, its class and its values as hexadecimal
floats. Needs Debian's python3-sklearn and python3-pandas; run it with /usr/bin/python3."""
import csv
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import dump_svmlight_file

HERE = Path(__file__).parent


def expect(name, classes, values):
    lines = [" ".join([str(label)] + [float(value).hex() for value in row]) for label, row in zip(classes, values)]
    (HERE / f"{name}.expected").write_text("\n".join(lines) + "\n")


def sparse(draws, rows, columns):
    values = draws.normal(size=(rows, columns)) * 10.0 ** draws.integers(-8, 9, size=(rows, columns))
    values[draws.random(size=values.shape) < 0.7] = 0
    values[0, 0] = values[0, -1] = 1.5  # the first and the last column are used
    return values


def libsvm(draws):
    for name, labels, arguments in (
        ("binary.libsvm", np.array([-1, 1]), dict(zero_based=False)),
        ("classes.libsvm", np.array([1, 2, 5, 11]), dict(zero_based=True, comment="made by scikit-learn\nμ in a comment")),
    ):
        values = sparse(draws, 40, 9)
        classes = draws.integers(0, len(labels), size=40)
        dump_svmlight_file(values, labels[classes], str(HERE / name), **arguments)
        written = np.vectorize(lambda value: float("%.16g" % value))(values)
        expect(name, classes, written.astype(np.float32))


def frames(draws):
    values = draws.normal(size=(30, 4)) * 10.0 ** draws.integers(-12, 13, size=(30, 4))
    names = ["Iris setosa", 'so-called "versicolor"', "virginica, wild\nor not"]
    classes = draws.integers(0, 3, size=30)
    frame = pd.DataFrame(values, columns=["sepal, length", "sepal width", "petal\nlength", "petal width"])
    frame["species"] = [names[label] for label in classes]
    frame.to_csv(HERE / "words.csv", index=False)
    expect("words.csv", classes, values.astype(np.float32))  # pandas writes what reads back to the same double

    frame.insert(0, "class", classes + 3)
    frame.drop(columns="species").to_csv(HERE / "numbers.tsv", index=False, header=False, sep="\t", lineterminator="\r\n")
    expect("numbers.tsv", classes, values.astype(np.float32))

    missing = values.copy()
    missing[draws.random(size=missing.shape) < 0.2] = np.nan
    holes = pd.DataFrame(missing, columns=list("abcd"))
    holes.insert(2, "class", classes)
    holes.to_csv(HERE / "missing.csv", index=False, sep=";", quoting=csv.QUOTE_ALL, na_rep="")
    expect("missing.csv", classes, missing.astype(np.float32))

    pixels = draws.integers(0, 256, size=(20, 12))
    with open(HERE / "pixels.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["label"] + [f"pixel{i}" for i in range(12)])
        writer.writerows([label, *row] for label, row in zip(classes, pixels))
    expect("pixels.csv", classes[:20], pixels.astype(np.float32))


if __name__ == "__main__":
    stream = np.random.default_rng(7)
    libsvm(stream)
    frames(stream)

#!/usr/bin/env python3
"""Makes the files beside it, each with NAME.expected: a line a sample, its class and its values as hexadecimal floats.
Needs Debian's python3-sklearn and python3-pandas; run it with /usr/bin/python3."""
import csv
import zipfile
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


def numpy_types(draws):
    """An archive of one array of every type, and what numpy makes of each as 32-bit floats, a line an array."""
    arrays, lines = {}, []
    for kind in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "b1"):
        if kind[0] == "f":
            limits = np.finfo(kind)
            tiny = [limits.smallest_subnormal, -limits.smallest_normal] if kind != "f8" else [1e-40, -1e-300]
            values = np.array([0, -1.5, 1 / 3, *tiny, min(limits.max, 3e38), 65504, 1e-7, np.pi], dtype=kind)
        elif kind == "b1":
            values = np.array([0, 1, 1, 0, 1, 0, 0, 0, 1], dtype=kind)
        else:
            limits = np.iinfo(kind)
            values = np.array([0, 1, 100, limits.min, limits.max, limits.max // 3, 5, 77, 127], dtype=kind)
        for order in "<>" if np.dtype(kind).itemsize > 1 else "|":
            arrays[f"{kind}{order}"] = values.reshape(3, 3).astype(f"{order}{kind}")
            lines.append(" ".join([f"{kind}{order}"] + [float(value).hex() for value in values.astype(np.float32)]))
    np.savez(HERE / "types.npz", **arrays)
    (HERE / "types.npz.expected").write_text("\n".join(lines) + "\n")

    labels = np.array([3, 7, 3])
    whole = {f"{kind}{order}": labels.astype(f"{order}{kind}") for kind in ("u1", "i2", "i4", "i8", "f4", "f8") for order in "<>"}
    words = np.array(["Hund", "Kätzchen \U0001f431", "Hund"])
    text = {"U<": words.astype("<U12"), "U>": words.astype(">U12"), "S": np.char.encode(words, "utf-8")}
    np.savez_compressed(HERE / "labels.npz", bool=labels == 7, column=labels[:, None], **whole, **text)


def numpy_data(draws):
    images = draws.integers(0, 256, size=(14, 4, 5), dtype=np.uint8)
    classes = np.concatenate([np.arange(3), draws.integers(0, 3, size=11)])
    np.savez_compressed(HERE / "mnist.npz", x_train=images[:10], y_train=classes[:10].astype(np.uint8),
                        x_test=images[10:], y_test=classes[10:].astype(np.uint8))
    expect("mnist.npz", classes, images.reshape(14, -1).astype(np.float32))

    values = draws.normal(size=(9, 6)) * 10.0 ** draws.integers(-12, 13, size=(9, 6))
    words = np.array(["ash", "birch", "elm"])[classes[:9]]
    np.savez(HERE / "trees.npz", data=values, target=words, feature_names=np.array(list("abcdef")))
    expect("trees.npz", classes[:9], values.astype(np.float32))

    frame = pd.DataFrame({name: column for name, column in zip("abcdef", values.astype(np.float32).T)})
    np.save(HERE / "columns.npy", frame.values)  # which pandas keeps by columns
    assert np.load(HERE / "columns.npy").flags.f_contiguous
    expect("columns.npy", classes[:9], frame.values)
    np.save(HERE / "classes.npy", classes[:9])

    pictures = draws.integers(0, 256, size=(9, 6, 7, 3), dtype=np.uint8)
    np.save(HERE / "pictures.npy", pictures)
    np.save(HERE / "pictures_by_columns.npy", np.asfortranarray(pictures))
    expect("pictures.npy", classes[:9], pictures.transpose(0, 3, 1, 2).reshape(9, -1).astype(np.float32))

    for version in (2, 3):
        with open(HERE / f"version{version}.npy", "wb") as file:
            np.lib.format.write_array(file, values.astype(np.float32), version=(version, 0))

    limits = zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT
    zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT = 16, 1  # else only files of 4 GiB have these records
    np.savez_compressed(HERE / "wide.npz", x=images[:9], y=classes[:9])
    zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT = limits
    expect("wide.npz", classes[:9], images[:9].reshape(9, -1).astype(np.float32))


if __name__ == "__main__":
    stream = np.random.default_rng(7)
    libsvm(stream)
    frames(stream)
    numpy_types(stream)
    numpy_data(stream)

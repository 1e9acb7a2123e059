#!/usr/bin/env python3
"""Reading text as scikit-learn and pandas do it, beside bench_import, and the files for both.

  bench_import.py make DIR MEGABYTES   writes the files of FILES into DIR
  bench_import.py read FILE            prints the seconds that reading it into memory takes: *.libsvm by
                                       sklearn.datasets.load_svmlight_file, *.csv by pandas.read_csv with its C engine
"""
import io
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import dump_svmlight_file, load_svmlight_file

ROWS = 2000  # of different text; the file repeats it


def libsvm(draws, value_of):
    """100 non-zeros among a million features, popular ones more often; 20 classes."""
    text = io.StringIO()
    for label in draws.integers(0, 20, size=ROWS):
        indices = np.unique((1e6 ** draws.random(110)).astype(int))[:100]
        text.write(f"{label} " + " ".join(f"{index}:{value_of()}" for index in indices) + "\n")
    return text.getvalue()


def written_by_sklearn(draws):
    values = draws.normal(size=(ROWS, 100))
    values[draws.random(size=values.shape) < 0.5] = 0
    file = io.BytesIO()
    dump_svmlight_file(values, draws.integers(0, 2, size=ROWS) * 2 - 1, file, zero_based=False)
    return file.getvalue().decode()


def written_by_pandas(draws):
    frame = pd.DataFrame(draws.normal(size=(ROWS, 50)))
    frame["class"] = draws.choice(["setosa", "versicolor", "virginica"], size=ROWS)
    return frame.to_csv(index=False, header=False)


def pixels(draws):
    values = draws.integers(0, 256, size=(ROWS, 784))
    values[draws.random(size=values.shape) < 0.8] = 0
    return pd.DataFrame(values).assign(label=draws.integers(0, 10, size=ROWS)).to_csv(index=False, header=False)


def rounded(draws):
    frame = pd.DataFrame(draws.normal(size=(ROWS, 20)).round(4))
    frame["class"] = draws.integers(0, 7, size=ROWS)
    return frame.to_csv(index=False, header=False)


FILES = {
    "counts.libsvm": lambda draws: libsvm(draws, lambda: draws.integers(1, 10)),
    "tfidf.libsvm": lambda draws: libsvm(draws, lambda: f"{draws.random():.6f}"),
    "sixteen_digits.libsvm": written_by_sklearn,
    "pixels.csv": pixels,
    "four_places.csv": rounded,
    "seventeen_digits.csv": written_by_pandas,
}


def make(folder, megabytes):
    for number, (name, text_of) in enumerate(FILES.items()):
        text = text_of(np.random.default_rng(number)).encode()
        (folder / name).write_bytes(text * max(1, round(megabytes * 1e6 / len(text))))


def read(path):
    start = time.perf_counter()
    if path.suffix == ".libsvm":
        load_svmlight_file(str(path))
    else:
        pd.read_csv(path, engine="c", header=None)
    print(time.perf_counter() - start)


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "make":
        make(Path(sys.argv[2]), float(sys.argv[3]))
    elif len(sys.argv) == 3 and sys.argv[1] == "read":
        read(Path(sys.argv[2]))
    else:
        sys.exit(__doc__)

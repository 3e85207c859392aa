# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A model of one's own features
#
# The run supplies beats, labels and a split by patient; features and classifier are yours. What makes the comparison
# honest: no patient is in two splits, nothing is chosen by looking at test patients, beats that the detector missed or
# made up are errors, and the score stands beside a null.

# %%
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import f1_score

from beatlens.api import open_run

run = open_run("results/demo")

# %% [markdown]
# Features of each beat: its timing, and in lead II its height, area and width, against the record's median. A record
# without that lead has no shape here (NaN, which the classifier takes as a value of its own).

# %%
LEAD = "II"


def features(name: str) -> pd.DataFrame:
    """Return a row of features for each beat of a record."""
    record = run.record(name)
    waves = record.waveforms([LEAD])[:, 0]
    height, area = np.ptp(waves, axis=1), np.abs(waves).sum(axis=1)
    wide = (np.abs(waves) > 0.5 * np.abs(waves).max(axis=1, keepdims=True)).sum(axis=1) / record.fs
    timing = record.measurements[["beat_id", "rr_before_s", "rr_after_s"]]
    usual = timing["rr_before_s"].median()
    return pd.DataFrame(
        {
            "beat_id": timing["beat_id"],
            "before": timing["rr_before_s"] / usual,
            "after": timing["rr_after_s"] / usual,
            "height": height / np.median(height),
            "area": area / np.median(area),
            "width_s": np.where(np.isnan(height), np.nan, wide),
        }
    )


records = run.records()
records = records[(records["role"] != "noise") & (records["n_beats"] > 0)]
table = pd.concat([features(f"{row.corpus}/{row.record}") for row in records.itertuples()], ignore_index=True)
beats = run.beats().merge(table, on="beat_id", validate="one_to_one")
columns = ["before", "after", "height", "area", "width_s"]
print(beats[columns].describe())

# %% [markdown]
# Learn on the training patients only. The splits select and calibrate are there to choose settings by; test isn't.

# %%
classes = run.config["classes"]
train = beats[(beats["split"] == "train") & beats["label"].isin(classes)]
test = beats[(beats["split"] == "test") & (beats["label"] != "")]
assert not set(train["patient"]) & set(test["patient"])
forest = RandomForestClassifier(200, min_samples_leaf=3, class_weight="balanced", random_state=1)
forest.fit(train[columns], train["label"])
mine = forest.predict(test[columns])

# %% [markdown]
# Mean F1 over the classes that test patients have, with an interval over patients (resampled as wholes: their beats
# aren't independent). A detection without a beat has the label ``none``, and a beat that wasn't detected is called
# ``missed``; neither is a class, so the first costs precision and the second recall.

# %%
annotated = run.table("predictions/beats_annotated.parquet")
missed = annotated[(annotated["split"] == "test") & ~annotated["matched"] & annotated["label"].isin(classes)]
everything = pd.concat([test, missed])
truth, patients = everything["label"].to_numpy(), everything["patient"].to_numpy()
present = [name for name in classes if name in truth]
rng = np.random.default_rng(1)


def score(said: np.ndarray, rows: np.ndarray) -> float:
    """Return the mean F1 over classes."""
    return float(f1_score(truth[rows], said[rows], labels=present, average="macro", zero_division=0))


def scored(detected: np.ndarray) -> str:
    """Return the score of what is said of the detected beats, with its 95 % interval over patients, in words."""
    said = np.append(detected, ["missed"] * len(missed))
    own = [np.flatnonzero(patients == name) for name in sorted(set(patients))]
    draws = [score(said, np.concatenate([own[k] for k in rng.integers(len(own), size=len(own))])) for _ in range(100)]
    low, high = np.quantile(draws, [0.025, 0.975])
    return f"{score(said, np.arange(len(said))):.3f} ({low:.3f} to {high:.3f})"


print(f"{len(test)} detected beats of {len(set(patients))} patients, and {len(missed)} that weren't detected")
print("forest of own features:    ", scored(mine))
print("the run's network:         ", scored(test["pred"].to_numpy()))
print("null, predictions shuffled:", scored(rng.permutation(mine)))

# %%
figure = pd.Series(forest.feature_importances_, columns).sort_values().plot.barh().figure
figure.savefig("results/own_features.svg")

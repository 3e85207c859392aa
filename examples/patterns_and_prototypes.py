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
# # Patterns and prototypes
#
# Prototypes are real beats of training patients that stand for a class, each with the cluster of beats behind it. Beats
# in review that several patients share are a pattern, and may be an alert.

# %%
import numpy as np

from beatlens.api import open_run

run = open_run("results/demo")
prototypes = run.prototypes()
print(prototypes.table[["class", "patient", "leads", "size", "purity"]])
prototypes.plot("N").savefig("results/prototypes_of_N.svg")

# %% [markdown]
# Which of them are suspicious (few beats, or not pure among beats of other patients), and what one looks like.

# %%
validation = run.table("prototypes/validation.csv")
print(validation[["prototype", "class", "suspicious"]])
one = prototypes.describe(0)
lead = one["leads"].split(";")[0]
print(one["class"], one["beat_id"], f"{np.ptp(one['wave_mv'][lead]):.2f} mV peak to peak in {lead}")

# %% [markdown]
# The beats of its own record that are most like it: correlation in one lead, which no amplitude changes.

# %%
record = run.record(one["beat_id"].rpartition("/")[0])
beats, wave = record.waveforms([lead])[:, 0], one["wave_mv"][lead]
beats, wave = beats - beats.mean(axis=1, keepdims=True), wave - wave.mean()
similarity = beats @ wave / (np.linalg.norm(beats, axis=1) * np.linalg.norm(wave))
alike = record.beats[["beat_id", "label", "pred"]].assign(similarity=similarity)
print(alike.sort_values("similarity", ascending=False).head(5))

# %% [markdown]
# Clusters of beats in review, what each lacks to be an alert, and the alerts.

# %%
print(run.table("alerts/clusters.csv").head())
print(run.table("alerts/alerts.csv"))

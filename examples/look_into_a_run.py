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
# # A look into a run
#
# `make demo` leaves a run under `results/demo`; its tables are those that docs/architecture.md lists.

# %%
from beatlens.api import explain, open_run

run = open_run("results/demo")
records = run.records()
print(records.groupby("split")[["n_beats", "duration_s"]].sum())

# %% [markdown]
# How many beats of test patients are right, and how many of the accepted ones: review is there to take the wrong ones.

# %%
beats = run.beats()
test = beats[(beats["split"] == "test") & (beats["label"] != "")]
right = test["pred"] == test["label"]
accepted = ~test["review"]
print(f"{right.mean():.3f} of {len(test)} right, {right[accepted].mean():.3f} of the {accepted.sum()} accepted")
print(test.groupby("label").size())

# %% [markdown]
# One record: signal, waveforms of its beats, what was measured of them.

# %%
record = run.record(test["corpus"].iloc[0] + "/" + test["record"].iloc[0])
print(record, record.waveforms().shape)
print(record.measurements[["rr_before_s", "rr_after_s", "reason"]].describe(include="all"))

# %% [markdown]
# A case that the run explained, by both methods and their fusion, and another beat of the same record explained now.

# %%
cases = run.cases()
print(cases[["case", "record", "class", "outcome", "probability"]])
for method in ("fused", *run.config["explain"]["methods"]):
    case = run.case(cases["case"][0], method)
    print(f"{method}: {abs(case.values).sum():.2f} over {', '.join(case.leads)}")

# %%
run.case(cases["case"][0]).plot().savefig("results/look_into_a_run_case.svg")
case = explain(record, record.beats["beat_id"].iloc[len(record.beats) // 2], method="lime")
case.plot().savefig("results/look_into_a_run_beat.svg")

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
# # From a recording of one's own to an explained beat
#
# Runs after `make demo`, from the folder of the project. The recording here is one of the demo's corpus; put the path
# of yours in its place: a WFDB record by its header, or a table of strips.

# %%
from beatlens.api import choose_cases, describe, explain, load_bundle, load_record, predict

record = load_record("results/corpora/synthetic/a02")
print(record.corpus, record.name, record.leads, record.fs, "Hz", record.signal.shape)

# %% [markdown]
# The model that comes along tells normal (N), supraventricular (S) and ventricular (V) beats apart.

# %%
bundle = load_bundle()
print(describe(bundle))

# %% [markdown]
# Conditioning, beats and classes, with the same numbers that a run gives. A beat that the model had better not decide
# goes to review, with the reason; remarks say what is unusual about the whole record.

# %%
predicted = predict(record, bundle)
print(predicted)
print(predicted.beats[["r_time_s", "pred", "p_N", "p_S", "p_V", "review", "reason"]].head(8))
print(predicted.beats.groupby(["pred", "review"]).size())
print(predicted.remarks)

# %%
predicted.plot(start_s=0, end_s=8).savefig("results/own_recording.svg")

# %% [markdown]
# A few beats worth a look, each class accepted and in review, and one of them explained: orange speaks for the class,
# blue against it. What the rhythm contributed has no place in the signal, and is a number.

# %%
cases = choose_cases(predicted, 4)
for case in cases:
    print(case.beat_id, case.case_class, case.outcome, f"p {case.probability:.2f}")

# %%
attribution = explain(predicted, cases[-1])
attribution.plot().savefig("results/own_recording_explained.svg")
print(f"leads {attribution.facts()['top_leads']}, rhythm {attribution.rhythm_share:.0%}")

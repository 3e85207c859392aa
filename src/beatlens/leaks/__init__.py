"""Leaks: ways in which a score can come from what the model has already seen, each with a check on a finished run.

Every check reads what the run wrote (tables, bundle, history) and computes anew what it is compared with. Some leaks
never get that far: a patient dealt to two splits, learning from a sealed record (`beatlens.shards.learning_shards`) and
beats out of time order (`beatlens.beats.context_windows`) stop the job that meets them.
"""

"""The report's section on sanity and stability of the explanations, where the target ``sanity`` has been run."""

from __future__ import annotations

from typing import Any

from beatlens.report.inputs import ReportInputs
from beatlens.report.numbers import count, interval, score

QUESTIONS = {
    ("randomisation", "spearman"): "Does it change when the network's weights are random? Near 0 is right.",
    ("randomisation", "spearman_magnitude"): "The same without signs, beside what the size of the signal would score.",
    ("class_sensitivity", "spearman"): "Does it change with the class that is asked for? Well below the null is right.",
    ("artefact", "pointing"): "Does it point to a spike that a network has learnt to rely on? 1 is right.",
    ("artefact", "lead"): "Does it name the lead of that spike? 1 is right.",
    ("seed", "spearman"): "Does another seed of the explainer give the same? 1 is right.",
    ("noise", "spearman"): "Does a little noise leave it as it is? Near 1 is right.",
    ("inserted_beat", "jaccard"): "Does one more beat leave the largest parts of the others where they were?",
}


def probe_section(inputs: ReportInputs) -> dict[str, Any] | None:
    """Return the tests of sanity and stability, or None where they were not run.

    Rows of another bundle are counted, not shown: they say nothing of this model.
    """
    import pandas as pd

    tables = [table for table in inputs.probes if len(table)]
    if not tables:
        return None
    table = pd.concat(tables, ignore_index=True)
    of_bundle = table[table["bundle_sha256"] == inputs.bundle_sha256]
    groups = []
    for (test, metric), question in QUESTIONS.items():
        part = of_bundle[(of_bundle["test"] == test) & (of_bundle["metric"] == metric)]
        rows = [
            {
                "method": row.method,
                "detail": str(row.detail).replace("+", " + ") if isinstance(row.detail, str) else "",
                "value": interval(row.value, row.lo, row.hi),
                "null": row.null_name if isinstance(row.null_name, str) else "",
                "null_value": score(row.null_value),
                "n": count(row.n_cases),
            }
            for row in part.itertuples(index=False)
        ]
        if rows:
            groups.append({"test": test.replace("_", " "), "metric": metric, "question": question, "rows": rows})
    return {"groups": groups, "n_stale": len(table) - len(of_bundle)}

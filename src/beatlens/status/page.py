"""The page of records that were left out: which, why, and what to do. It is there also where a run ends for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from beatlens.core.record_faults import REASONS
from beatlens.shards.record_table import NOT_A_RECORD

if TYPE_CHECKING:
    import pandas as pd

FOLDER = Path(__file__).parent
MAX_ROWS = 500
ADVICE = {
    "missing_header": "Put the header back, or take the record out of RECORDS.",
    "missing_signal_file": "Put the file back, or name the right one in the header.",
    "truncated_signal": "Copy the file again; it ends too early.",
    "malformed_header": "Correct the line that is named.",
    "header_names_another_record": "Rename the header, or correct its first line, whichever is wrong.",
    "unsafe_path": "Move the files into the folder of the corpus, and name them in the header without a path.",
    "unsafe_name": "Rename the file.",
    "duplicate_id": "Rename one of the two, or make two corpora of them.",
    "unknown_fs": "State the sampling rate in the header, or in the configuration of the corpus.",
    "unknown_units": "State units of volts (mV, uV, V) in the header, if the signals are ECG.",
    "wrong_samples": "Copy the files again; samples and header are not of one recording, or damaged.",
    "malformed_table": "Correct the table as is said beside it, or take it out.",
    "malformed_wave": "See that the samples are numbers, and how they are separated.",
    "missing_patient": "Fill in the patient column.",
    "zero_length": "The recording is empty: take it out.",
    "all_nan": "Name leads that have samples (leads), or take the record out.",
    "flat": "The electrodes were off, or these are not ECG leads: take the record out.",
    "implausible_amplitude": "Correct the gain or the unit in the header; A/D units are not mV.",
    "unknown_leads": "Give the leads their standard names in the header, or name them in the configuration (leads).",
    "checksum_mismatch": "Copy or download the file again.",
    "download_failed": "Run again: each run looks whether the file is there now.",
    "not_in_table": "Correct the row that is named, or take the record out of the corpus.",
    "bad_annotations": "Put this recording's annotation file there, or add the label to the label table.",
    "not_a_file": "Put a regular file there.",
    "not_a_record": "Convert it to a WFDB record (.hea with .dat or .mat), if it is a recording.",
    "too_large": "Cut the recording into shorter ones.",
    "too_slow": "Copy the files again; they are likely damaged.",
    "unreadable": "Read what was found; if the file is in order, report it as a bug.",
}
"""What to do about a reason; one for each of `beatlens.core.record_faults.REASONS`."""


def render_status(status: pd.DataFrame, files: Mapping[tuple[str, str], str], run: str) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    status
        One row a record (`beatlens.shards.shard.STATUS_COLUMNS`).
    files
        Path in the corpus folder by corpus and record.
    run
        Name of the run.
    """
    bad = status[~status["used"].astype(bool)]
    is_record = status["reason"] != NOT_A_RECORD
    tally = bad["reason"].value_counts()
    rows = [
        {
            **{name: row[name] for name in ("corpus", "record", "role", "detail")},
            "file": files.get((row["corpus"], row["record"]), ""),
            "meaning": REASONS.get(row["reason"], row["reason"]),
        }
        for row in bad.head(MAX_ROWS).to_dict("records")
    ]
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("status.html.j2").render(
        run=run,
        n_records=int(is_record.sum()),
        n_used=len(status) - len(bad),
        n_others=int((~is_record).sum()),
        reasons=[
            {"reason": reason, "n": n, "meaning": REASONS.get(reason, ""), "advice": ADVICE.get(reason, "")}
            for reason, n in tally.items()
        ],
        rows=rows,
        n_hidden=len(bad) - len(rows),
    )

"""The audit of a run: every check, as a small table."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from beatlens.leaks import data, model
from beatlens.leaks.run import LeakError, NotCheckedError, Run

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

PASSED, LEAK, UNKNOWN = "passed", "leak", "not checked"
COLUMNS = ("check", "question", "verdict", "detail")

CHECKS: dict[str, tuple[str, Callable[[Run], str]]] = {
    "patients": ("Is a patient in two splits?", data.check_patients),
    "twins": ("Is a patient in two splits under two names?", data.check_twins),
    "beats": ("Were beats dealt apart from their patients?", data.check_beats),
    "copies": ("Is a beat there twice, as by oversampling before the split?", data.check_copies),
    "order": ("Do sequences follow the labels instead of time?", data.check_order),
    "scaler": ("Was the scaler fitted on more than the training patients?", model.check_scaler),
    "prototypes": ("Are beats compared with prototypes of their own patient?", model.check_prototypes),
    "epoch": ("Was the epoch chosen by a score?", model.check_epoch),
    "calibration": ("Does calibration rest on patients that were seen before?", model.check_calibration),
}


def audit(run: Run) -> pd.DataFrame:
    """Run all checks. A leak is a row of the table and an error in the log; it stops nothing.

    Returns
    -------
    One row a check: `COLUMNS`, with the verdict passed, leak or not checked
    """
    import pandas as pd

    rows = []
    for name, (question, check) in CHECKS.items():
        try:
            verdict, detail = PASSED, check(run)
        except NotCheckedError as reason:
            verdict, detail = UNKNOWN, str(reason)
        except LeakError as leak:
            verdict, detail = LEAK, str(leak)
            logger.error("leak (%s): %s", name, leak)
        rows.append((name, question, verdict, detail))
    return pd.DataFrame(rows, columns=list(COLUMNS))

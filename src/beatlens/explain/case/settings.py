"""The section ``cases`` of the configuration."""

import difflib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from beatlens.core.allowed import Allowed, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Share
from beatlens.core.options import Problem, Settings

MAX_SPAN_S = 30
"""Longest named span in seconds: what is computed grows with the beats in it."""
NEAREST = 3
"""Examples that an error names."""
BeatId = Annotated[str, Allowed(pattern=r"^[^/\n]+/[^/\n]+/[0-9]+$")]


@dataclass(frozen=True)
class SpanSettings(Settings, section="cases.spans[]"):
    """A stretch of a record that is explained as a window."""

    record: Annotated[str, Allowed(pattern=r"^[^/\n]+/[^/\n]+$")]
    """Corpus and name of the record, such as `mitdb/119`."""

    start_s: NonNegativeFloat
    """Start in seconds of the record."""

    end_s: PositiveFloat
    """End in seconds of the record, at most 30 s later."""

    def __str__(self) -> str:
        return f"{self.record} from {self.start_s:g} to {self.end_s:g} s"

    def _rules(self) -> Iterator[tuple[str, str]]:
        if not self.start_s < self.end_s <= self.start_s + MAX_SPAN_S:
            yield "end_s", f"more than start_s, {self.start_s:g}, and at most {MAX_SPAN_S} s later"


@dataclass(frozen=True)
class CaseSettings(Settings, section="cases"):
    """Which predictions are explained."""

    per_class: PositiveInt = 2
    """Cases of each class and outcome."""

    outcomes: Annotated[
        tuple[Literal["correct", "wrong", "review", "unlabelled"], ...], Allowed(minItems=1, uniqueItems=True)
    ] = ("correct", "wrong", "review", "unlabelled")
    """Outcomes to explain. `unlabelled` is a prediction of a record without labels."""

    min_probability: Share = 0.5
    """Least probability of the predicted class. Where too few beats reach it, the most probable others are taken and
    marked as relaxed."""

    max_duration_s: PositiveFloat = 10
    """Longest stretch in seconds that the model may see for an explained beat. Windows are longer by the contexts of
    their beats."""

    max_cases: PositiveInt = 18
    """Most beats in all."""

    window_s: PositiveFloat = 8
    """Length in seconds of the windows whose class is explained. The class may lie anywhere in the window."""

    windows_per_class: NonNegativeInt = 1
    """Windows of each class but the first, and of each outcome."""

    max_windows: NonNegativeInt = 6
    """Most windows in all, 0 for none."""

    beats: Annotated[tuple[BeatId, ...], Allowed(uniqueItems=True)] = ()
    """Beats that are explained besides, by their ids, such as `mitdb/119/1234` (`corpus/record/r_sample`). They may be
    of any split and see a stretch of any length. They are drawn and told like other cases, and no score rests on
    them."""

    spans: Annotated[tuple[SpanSettings, ...], Allowed(uniqueItems=True)] = ()
    """Stretches that are explained besides, such as `{record: mitdb/119, start_s: 10, end_s: 18}`. A stretch is a
    window case for each class but the first that is found in it, else for the first. It is at most 30 s long."""


def named_records(settings: CaseSettings) -> Iterator[tuple[str, str, str]]:
    """Yield option, what is named, and its ``corpus/record``, of every beat and span."""
    for beat_id in settings.beats:
        yield "cases.beats", beat_id, beat_id.rpartition("/")[0]
    for span in settings.spans:
        yield "cases.spans", str(span), span.record


def record_problems(settings: CaseSettings, records: Collection[str]) -> Iterator[Problem]:
    """Yield what is named of a record that isn't among `records` (``corpus/record``), with those it is most like."""
    for option, named, record in named_records(settings):
        if record not in records:
            near = difflib.get_close_matches(record, sorted(records), n=NEAREST, cutoff=0.6)
            examples = ", ".join(near or sorted(records)[:NEAREST])
            yield option, named, f"a record of the run's {len(records)}, corpus/record, such as {examples}"

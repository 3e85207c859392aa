"""Which rhythm a record's annotations say it has, from when to when."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from beatlens.core.record import Annotations


class RhythmSpan(NamedTuple):
    """A rhythm, such as ``AFIB`` or ``VT``, from sample `start` to before sample `end` of the record's file."""

    rhythm: str
    start: int
    end: int


def rhythm_spans(annotations: Annotations, n_samples: int) -> list[RhythmSpan]:
    """Return the spans that rhythm annotations mark, in time order.

    A ``+`` whose note begins with ``(`` says which rhythm there is from there on, up to the next one or the end.
    Neighbouring spans of one rhythm are one. What comes before the first isn't known.

    Parameters
    ----------
    annotations
        The record's annotations, ascending.
    n_samples
        Length of the record.
    """
    rows = zip(annotations.sample.tolist(), annotations.symbol, annotations.aux, strict=True)
    starts = [(sample, note[1:].strip()) for sample, symbol, note in rows if symbol == "+" and note.startswith("(")]
    spans: list[RhythmSpan] = []
    for k, (start, rhythm) in enumerate(starts):
        end = starts[k + 1][0] if k + 1 < len(starts) else n_samples
        if not rhythm or end <= start:
            continue
        if spans and spans[-1].rhythm == rhythm and spans[-1].end == start:
            spans[-1] = spans[-1]._replace(end=end)
        else:
            spans.append(RhythmSpan(rhythm, start, end))
    return spans

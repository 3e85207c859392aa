"""What an ECG figure leaves free around the traces, in millimetres, and how far traces reach."""

PULSE_LANE_MM, PULSE_S = 10.0, 0.2  # the lane is wider where the paper is faster
COLUMN_GAP_MM = 10.0
MARGIN_MM = 4.0
HEADER_MM = 10.5
MARK_LANE_MM = 9.0
FOOTER_MM = 18.0
LINE_MM = 2.8
MIN_WIDTH_MM = 112.0
PAGE_MM = 320.0
"""Width of the report on a screen of 1400 px: many leads over a longer stretch lie in one column, not in two."""
LIMIT_MV = 4.0
"""A trace is cut beyond this, so that one artefact doesn't fill a page. The figure says so."""

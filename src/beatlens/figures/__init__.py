"""To-scale ECG figures, overlays and galleries."""

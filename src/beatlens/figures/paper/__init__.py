"""ECG paper: scale, layout of leads, traces and the overlay of an attribution."""

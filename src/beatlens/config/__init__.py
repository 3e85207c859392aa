"""The configuration: defaults, overlays, checks, its documentation."""

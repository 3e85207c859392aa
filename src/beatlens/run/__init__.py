"""What programs and rules share: logs, fingerprints of code, the manifest."""

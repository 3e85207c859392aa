"""A campaign of faults: kills, full disks, damage, hostile inputs; each trial is judged. `python -m faults` runs it."""

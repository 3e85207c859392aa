"""Looking through a finished run by hand: its pages served on this machine, and the decisions made on them kept."""

"""The start page before its statistics: what was found, what needs a look, and the table of records."""

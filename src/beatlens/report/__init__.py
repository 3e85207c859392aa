"""The HTML report: the start page, a page a record, the page of diagnoses. None needs a network."""

"""WFDB folders: headers, signal files, annotations, records of several segments."""

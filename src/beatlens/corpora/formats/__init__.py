"""Formats with knowledge of their own: a module each, which lists a folder's records and reads one."""

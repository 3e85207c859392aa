"""Sections of the page, a module each: tables and sentences as plain values, which the template lays out."""

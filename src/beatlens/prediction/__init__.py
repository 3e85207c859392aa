"""The bundle, and what it says of beats, strips and records."""

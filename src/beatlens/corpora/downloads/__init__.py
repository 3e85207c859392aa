"""Records from a server: requests, the folder that they go to, what was interrupted."""

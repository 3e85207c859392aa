"""Maps that follow training: a few beats, explained after every epoch, for every class."""

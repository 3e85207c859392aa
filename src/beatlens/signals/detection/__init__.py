"""Where the beats are: QRS complexes in normal and in fast rhythms, and the R peak of each."""

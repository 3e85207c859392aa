"""Learning diagnoses of records: folds by patient, training, what is fitted on patients not seen."""

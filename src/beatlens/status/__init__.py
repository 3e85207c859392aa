"""The page of records that were left out; its template lies here, so that the report's own reruns nothing else."""

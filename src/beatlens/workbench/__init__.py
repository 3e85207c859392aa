"""The objects behind `beatlens.api`, which is the way in: a record, its predictions, an explanation, a run."""

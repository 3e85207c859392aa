"""What a person holds in hand: a record, its predictions, an explanation, a run; `beatlens.api` is the way in."""

"""From R peaks to beats: RR intervals, contexts, matching with annotations, tables."""

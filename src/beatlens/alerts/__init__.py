"""New patterns among beats in review: clusters, alerts, the registry of known ones."""

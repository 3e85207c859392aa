"""Classification and explanation metrics, each with its null and interval."""

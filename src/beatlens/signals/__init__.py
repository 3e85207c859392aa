"""From millivolts to R peaks: gaps, filters, detection, quality, stretches without beats, added noise."""

"""From millivolts to R peaks: filters, detection, quality, stretches without beats, added noise."""

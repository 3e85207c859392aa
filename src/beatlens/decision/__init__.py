"""From probabilities to a decision: calibration, conformal sets, review. Numbers in, numbers out."""

"""What attention says, and whether it means anything: statistics of heads, of directions, and of outcomes."""

"""What is explained: the beat or window, its target, what it is compared with."""

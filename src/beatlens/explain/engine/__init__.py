"""What a perturbation costs: the network on many states of one record at once."""

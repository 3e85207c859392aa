"""What the network is given, and the view of a record that prediction and explanation share."""

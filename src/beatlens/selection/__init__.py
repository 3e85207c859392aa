"""Choice of settings inside the training patients, by leaving patients out."""

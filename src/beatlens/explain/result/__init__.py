"""What comes out: attributions, their archive and their fusion."""

"""What is switched off together: segments, beats, rhythm."""

"""What every room uses: files, seeds, leads, what a record is and what can be wrong with one."""

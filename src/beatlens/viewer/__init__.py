"""The viewer of a record: its signal in tiles, its beats and maps as data of a page, strips, and the script."""

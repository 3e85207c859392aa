"""Options of the room: one module a section."""

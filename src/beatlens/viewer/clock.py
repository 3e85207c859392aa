"""Record time as a clock."""


def clock(seconds: float) -> str:
    """Return h:mm:ss of whole seconds."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"

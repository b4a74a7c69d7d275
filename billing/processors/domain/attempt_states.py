"""The states of an attempt in which its outcome is not final. Pure."""

# Nobody else may move the same money meanwhile.
OPEN = ("created", "sent", "pending", "unknown")
# Sent, and the processor has not reported an outcome: staff may close these by hand.
UNREPORTED = ("pending", "unknown")


def sql_list(states: tuple[str, ...]) -> str:
    """States as the literals of an SQL list: 'pending', 'unknown'."""
    return ", ".join(f"'{state}'" for state in states)

"""Reading entries of the audit, and what they refer to, in sets."""

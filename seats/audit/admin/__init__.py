"""The pages of the audit: what was changed, in the order of time."""

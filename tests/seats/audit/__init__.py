"""The audit: what is recorded, and what is read of it."""

"""Support acts as a member: when, why, what was looked at, and who allowed changes."""

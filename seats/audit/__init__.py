"""What was changed, by whom, from where and why: the entries, and how they read."""

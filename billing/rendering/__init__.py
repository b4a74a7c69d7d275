"""Documents as files that people read: PDF by Typst, made after issue, kept by hash."""

"""The two sites: one for platform staff, one for members of agencies."""

"""The page of the agencies within reach."""

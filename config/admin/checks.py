"""System checks of the two sites."""

"""The pages of support that acts as a member."""

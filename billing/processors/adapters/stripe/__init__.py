"""Stripe: payers' cards are charged there, and saved on its pages. Pure."""

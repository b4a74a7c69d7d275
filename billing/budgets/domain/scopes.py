"""The scopes of budgets. Pure."""

from core.scopes import ApiScope


class BudgetScope(ApiScope):
    """What an API key may do with budgets."""

    READ = "budgets:read", "Read budgets and how much of them is used."
    WRITE = "budgets:write", "Add, change and end budgets."

"""The tables whose changes are recorded, by the names that people read."""

from functools import lru_cache

from django.apps import apps
from django.db.models import Field, Model

from core.audit import RULES, History

# Tables that are no model of the house; what is recorded of them is about users.
OF_USERS = {
    "seats_user_groups": "job",
    "seats_user_user_permissions": "permission",
    "mfa_authenticator": "second factor",
}


@lru_cache
def audited_models() -> dict[str, type[Model]]:
    """The models of the tables whose changes are recorded, by table."""
    return {
        model._meta.db_table: model
        for model in apps.get_models(include_auto_created=True)
        if is_audited(model)
    }


def is_audited(model: type[Model]) -> bool:
    """Whether triggers record the changes of the model."""
    rule = RULES.get(model)
    if rule is not None:
        return rule.history is History.AUDITED
    return model._meta.db_table in OF_USERS


def noun_of(table: str) -> str:
    """What a row of the table is called."""
    model = audited_models()[table]
    return OF_USERS.get(table) or str(model._meta.verbose_name)


def field_of(table: str, column: str) -> "Field[object, object] | None":
    """The field of a column; None for a column that no longer exists."""
    fields = audited_models()[table]._meta.concrete_fields
    return next((field for field in fields if field.column == column), None)


def is_money(table: str, column: str) -> bool:
    """Whether the column is an amount in the currency of the agency."""
    rule = RULES.get(audited_models()[table])
    return rule is not None and column in rule.money

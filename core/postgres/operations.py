"""Operations of migrations that Django lacks."""

from copy import copy
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import CheckConstraint


class RenameConstraint(Operation):
    """Rename a constraint or index of a model, without reading its rows."""

    reversible = True

    def __init__(self, model_name: str, before: str, after: str) -> None:
        self.model_name, self.before, self.after = model_name, before, after

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Give the constraint or index its new name in the state of the project."""
        options = state.models[app_label, self.model_name].options
        for kind in ("constraints", "indexes"):
            options[kind] = [self._renamed(rule) for rule in options.get(kind, [])]
        state.reload_model(app_label, self.model_name, delay=True)

    def _renamed(self, rule: Any) -> Any:
        if rule.name != self.before:
            return rule
        renamed = copy(rule)
        renamed.name = self.after
        return renamed

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Rename it in the database."""
        self._rename(app_label, schema_editor, from_state, self.before, self.after)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Give it its old name again in the database."""
        self._rename(app_label, schema_editor, from_state, self.after, self.before)

    def _rename(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        state: ProjectState,
        before: str,
        after: str,
    ) -> None:
        options = state.models[app_label, self.model_name].options
        (rule,) = [
            rule
            for kind in ("constraints", "indexes")
            for rule in options.get(kind, [])
            if rule.name == before
        ]
        quote = schema_editor.quote_name
        if isinstance(rule, CheckConstraint):
            model = state.apps.get_model(app_label, self.model_name)
            table = quote(model._meta.db_table)
            command = f"ALTER TABLE {table} RENAME CONSTRAINT {quote(before)}"
        else:  # unique constraints are renamed with their indexes
            command = f"ALTER INDEX {quote(before)} RENAME"
        schema_editor.execute(f"{command} TO {quote(after)}")

    def describe(self) -> str:
        """What the operation does, for `sqlmigrate` and logs."""
        return f"Rename {self.before} of {self.model_name} to {self.after}"

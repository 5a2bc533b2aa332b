"""Makes text of values: one module an output. Nothing that a user wrote leaves here unescaped."""

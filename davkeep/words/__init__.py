"""The field's words as pure code: header fields, statuses, interim responses, configuration."""

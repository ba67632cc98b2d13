"""The inspector: who may look, what he is shown, and what it costs."""

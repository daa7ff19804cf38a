"""``/routing/v1``: a delegated router for what this home holds, owns and follows."""

"""Keys of notes in the trust store that more than one part of dcat reads."""

ENGINE_IMAGE_ID = "engine-image-id"
"""Which digest the last engine in use shows as image ID: ``config`` or ``manifest``."""

"""The keys under which the trust store keeps small facts that more than one part of dcat asks for."""

ENGINE_IMAGE_ID = "engine-image-id"
"""Which digest the engine of the last contact shows as image ID: ``config`` or ``manifest``."""

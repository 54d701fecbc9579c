"""A person's hands: what a gamepad or a keyboard says, as velocity commands and requests."""

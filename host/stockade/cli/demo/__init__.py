"""The main job in a few seconds, with no key and no network."""

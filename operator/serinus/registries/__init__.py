"""Asks registries what a reference means today. Only hosts that the admin allows are asked, without credentials."""

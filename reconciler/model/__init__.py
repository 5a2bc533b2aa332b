"""The values that the layers hand to each other: frozen, without behaviour beyond their own meaning, without I/O."""

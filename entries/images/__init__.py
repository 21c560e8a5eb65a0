"""Files in, files out: uploaded images become clean variants."""

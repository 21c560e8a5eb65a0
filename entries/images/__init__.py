"""Turn uploaded images into clean variants. Works on files, without models."""

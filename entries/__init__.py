"""Running stories: their entries, their readers, their desk."""

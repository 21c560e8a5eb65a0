"""The pages of the newsroom: one module for each view, under /admin/."""

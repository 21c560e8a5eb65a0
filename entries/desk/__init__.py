"""The newsroom's pages under /admin/, with one module for each part of the desk."""

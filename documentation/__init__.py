"""Makes the documentation site: pages that are written from the code and from measured figures, then the whole site."""

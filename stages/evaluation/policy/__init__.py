"""The same examination for a model behind an endpoint: one's own, served, or a vendor's."""

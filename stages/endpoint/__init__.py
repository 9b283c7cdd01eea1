"""A language model behind an OpenAI-compatible endpoint: a served one or a vendor's."""

"""Sampling by vLLM: in this process or by servers, each update of its weights proved. Imported where the settings name it."""

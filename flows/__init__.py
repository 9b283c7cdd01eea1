"""When and where the stages run: Prefect flows over DVC's graph. Nothing here computes a result."""

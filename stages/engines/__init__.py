"""What samples (RolloutEngine) and what trains (TrainEngine). Imported only by stages that need torch."""

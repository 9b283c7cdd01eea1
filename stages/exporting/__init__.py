"""A model that leaves the lab: what is exported, the record it takes along, and how both are proved to belong together."""

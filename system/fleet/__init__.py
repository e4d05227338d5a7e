"""A fleet: as many worker processes as the backlog asks for, between a least and a most."""

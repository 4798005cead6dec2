"""How did our tables come to look as they do? One folder a database, one file a change."""

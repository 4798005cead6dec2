"""How are requests answered, each one logged before it is acknowledged? The model server of one problem."""

__all__: list[str] = []

"""Which events does a ledger row call for, and are they told of live turns alone?"""

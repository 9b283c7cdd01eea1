"""The bill of this workspace: its ledger, its dvc.lock, its prices."""

from stages.accounting.bill import Bill, make_bill
from stages.accounting.ledger import Ledger
from stages.accounting.prices import read_prices
from stages.graph import load_graph, locked_identities
from stages.params import load_params


def workspace_bill() -> Bill:
    """The bill of what dvc.lock records."""
    ledger = Ledger.open_here()
    ledger.close_vanished()
    graph = load_graph()
    booked = {
        stage: identity
        for stage, identity in locked_identities().items()
        if stage in graph and not graph[stage].always_changed
    }
    operations = load_params().operations
    return make_bill(ledger.attempts(), booked, read_prices().on_market(operations.market, operations.prices))

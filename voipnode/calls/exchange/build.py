"""The exchange of a node, put together from its settings, its telephones and its lines."""

from __future__ import annotations

from voipnode.calls.accounts import Accounts
from voipnode.calls.core import CallCore
from voipnode.calls.exchange.conference import Conferences
from voipnode.calls.exchange.destination import extension_caller
from voipnode.calls.exchange.dial_plan import DialPlan
from voipnode.calls.exchange.door_services import LookOuts, Pages
from voipnode.calls.exchange.exchange import Exchange
from voipnode.calls.exchange.ports import Groups
from voipnode.calls.exchange.room import Room
from voipnode.calls.exchange.settings import SwitchSettings
from voipnode.calls.registrar.registrar import Registrar


def build_exchange(
    core: CallCore, settings: SwitchSettings, *, accounts: Accounts, registrar: Registrar, groups: Groups
) -> Exchange:
    """An exchange that serves everything that the dial plan can name."""
    exchange = Exchange(
        core,
        settings,
        accounts=accounts,
        telephones=registrar,
        plan=DialPlan(
            settings.rules,
            extensions=registrar.extensions.__contains__,
            groups=groups.has,
            door_users={account.user_id for account in accounts.active},
            incoming={account.name: account.incoming for account in accounts.active},
        ),
        who_is=lambda number: extension_caller(registrar.extensions[number].settings),
        groups=groups,
        make_room=lambda: Room.of(core),
    )
    exchange.serve("conference", Conferences(core, settings.conferences))
    exchange.serve("page", Pages(core, settings.page))
    exchange.serve("look_out", LookOuts(core, settings.look_out))
    return exchange

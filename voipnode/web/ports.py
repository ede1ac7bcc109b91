"""Outputs and inputs over HTTP: what their contacts are, whether that is active, and a simulated input's hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from fastapi import FastAPI, Path
from pydantic import BaseModel, ConfigDict, Field, model_validator

from voipnode.calls.commands import SimulateInput
from voipnode.calls.hooks import Commands
from voipnode.web import problems
from voipnode.web.view import View

InputName = Annotated[str, Path(min_length=1, max_length=64, description="Name of the input", examples=["button"])]
OTHER = {"open": "closed", "closed": "open"}


class Port(BaseModel):
    """An output line, such as the door's relay. It is active where `state` differs from `normal_state`."""

    name: str = Field(examples=["door"])
    usage: str = Field(description="What it moves", examples=["Door"])
    direction: Literal["output"] = "output"
    normal_state: str = Field(description='The contact at rest, "open" or "closed"', examples=["open"])
    state: str = Field(description="The contact now", examples=["closed"])
    active: bool = Field(description="Differs from its normal state: the door is open")
    why: str = Field(description="Why it changed last", examples=["pulse"])
    who: str = Field(description="Who opened", examples=["sip:desk@192.0.2.10"])
    how: str = Field(description="By what", examples=['dtmf "1"'])
    lease_s: float = Field(description="For how long it was opened; 0 when it is not", examples=[7.0])
    remaining_s: float = Field(description="What is left of that", examples=[5.2])


class Input(BaseModel):
    """A digital input. It is active where `state` differs from `normal_state`; one that is tampered with never is."""

    name: str = Field(examples=["button"])
    usage: str = Field(description="What it senses", examples=["Door contact"])
    direction: Literal["input"] = "input"
    normal_state: str = Field(description='The contact at rest, "open" or "closed"', examples=["open"])
    state: str = Field(description='The contact now; of a supervised input also "cut" and "short"', examples=["open"])
    active: bool
    supervised: bool = Field(description="It has end-of-line resistors")
    tampered: bool = Field(description="Its wires were cut or bridged")
    source: str = Field(description="Who changed it last, empty: nobody yet", examples=["hardware"])


class ContactRequest(BaseModel):
    """What a simulated input's terminal is given: a voltage, null to disconnect it, or a contact."""

    model_config = ConfigDict(extra="forbid")

    voltage_v: float | None = Field(None, ge=-60, le=60, examples=[0.4])
    contact: Literal["open", "closed", "cut", "short"] | None = Field(None, examples=["closed"])

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if len(self.model_fields_set) != 1 or (self.model_fields_set == {"contact"} and self.contact is None):
            raise ValueError("one of voltage_v and contact is wanted")
        return self


class ContactResult(BaseModel):
    """What the contact is now, before debouncing."""

    state: str = Field(examples=["closed"])


def ports_now(view: View, about: Mapping[str, Any]) -> list[Port]:
    """The outputs; `about` has their settings under "port_settings"."""
    known = about.get("port_settings", {})
    ports = []
    for port in view.ports():
        if known and port["name"] not in known:
            continue  # it was taken out of the settings
        fixed = {"usage": "", "normal_state": "open", **known.get(port["name"], {})}
        state = OTHER[fixed["normal_state"]] if port["active"] else fixed["normal_state"]
        ports.append(Port(**fixed, **port, state=state))
    return ports


def inputs_now(view: View, about: Mapping[str, Any]) -> list[Input]:
    """The inputs, in the order of the settings, which `about` has under "input_settings"."""
    told = {item["name"]: item for item in view.inputs()}
    known = about.get("input_settings") or {name: {} for name in told}
    inputs = []
    for name, settings in known.items():
        fixed = {"usage": "", "normal_state": "open", "supervised": False, **settings}
        now = told.get(name, {"active": False, "source": "", "tampered": ""})
        state = now["tampered"] or (OTHER[fixed["normal_state"]] if now["active"] else fixed["normal_state"])
        tampered, active, source = bool(now["tampered"]), now["active"], now["source"]
        inputs.append(Input(name=name, **fixed, state=state, active=active, tampered=tampered, source=source))
    return inputs


def add_ports(app: FastAPI, view: View, commands: Commands, about: Mapping[str, Any]) -> None:
    """The paths of ports and inputs."""

    @app.get("/api/v1/ports", tags=["ports"], summary="Output lines and what is left of their leases")
    async def ports() -> list[Port]:
        return ports_now(view, about)

    @app.get("/api/v1/inputs", tags=["inputs"], summary="Inputs, and what is at the end of their wires")
    async def inputs() -> list[Input]:
        return inputs_now(view, about)

    @app.patch(
        "/api/v1/simulation/inputs/{name}",
        tags=["simulation"],
        summary="Move a simulated input",
        description="Puts a voltage on its terminal, or moves its contact; above 1 V or disconnected it is open. The"
        " change is told once it has held for the input's `debounce_ms`.",
        responses=problems.documented(404, 415, 422),
    )
    async def move(name: InputName, wish: ContactRequest) -> ContactResult:
        command = SimulateInput(input=name, voltage_v=wish.voltage_v, contact=wish.contact or "")
        return ContactResult(state=await commands.execute(command))

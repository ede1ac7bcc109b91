// Who rings in a group, as its settings say.

export const members = (group) => (group.stages.length ? group.stages.flatMap((stage) => stage.ring) : group.members);

export function inTurn(group) {
  if (group.stages.length) return group.stages.map((stage) => `${stage.ring.join(", ")} (${stage.for_s} s)`).join(" → ");
  return group.members.join(group.strategy === "in_turn" ? " → " : ", ");
}

local status = obj.status or {}
local candidate, stable, rejected = status.candidate, status.stable, status.rejected
local running = candidate ~= nil
local judged = running and stable ~= nil
local baking = running and candidate.phase == "Baking"
local paused = running and candidate.paused == true

local ready = {}
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Ready" then
    ready = condition
  end
end
local approval = ((obj.spec.rollout or {}).approval or {}).required
local wanted = approval ~= nil and approval ~= "Never"

return {
  ["promote"] = { disabled = not judged or baking },
  ["skip-step"] = { disabled = not judged or baking },
  ["pause"] = { disabled = not running or paused },
  ["resume"] = { disabled = not paused },
  ["abort"] = { disabled = not judged },
  ["retry"] = { disabled = running or rejected == nil or ready.reason ~= "RolledBack" },
  ["undo"] = { disabled = running or stable == nil },
  ["approve"] = {
    disabled = not running or not wanted or candidate.approvedAt ~= nil,
    params = { { name = "by" } },
  },
}

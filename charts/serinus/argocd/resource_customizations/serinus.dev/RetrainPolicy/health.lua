-- Healthy while it works as written, whatever becomes of its runs: a rejected candidate is no fault of the policy.
-- Suspended: spec.suspend keeps runs from starting, or the run under way waits for people.
local hs = { status = "Progressing", message = "Waiting for the operator to see the change" }
if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return hs
end

local conditions = {}
for _, condition in ipairs(obj.status.conditions or {}) do
  conditions[condition.type] = condition
end
local ready, stalled = conditions.Ready, conditions.Stalled
if ready == nil then
  return hs
end

hs.message = ready.reason .. ": " .. ready.message
if stalled ~= nil and stalled.status == "True" then
  hs.status = "Degraded"
elseif ready.status == "True" then
  hs.status = "Healthy"
  if obj.status.phase == "Suspended" or obj.status.phase == "AwaitingApproval" then
    hs.status = "Suspended"
  end
end
return hs

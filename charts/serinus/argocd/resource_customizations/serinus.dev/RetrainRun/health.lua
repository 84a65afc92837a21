-- A run is a record: Progressing while it is under way, then Healthy or Degraded for good. Suspended: people are asked.
local hs = { status = "Progressing", message = "Waiting for the operator to see the run" }
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
elseif obj.status.phase == "AwaitingApproval" then
  hs.status = "Suspended"
end
return hs

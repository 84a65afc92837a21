-- An outage is Progressing and not Degraded: rollouts hold meanwhile, and go on by themselves when it is over. Stalled is
-- what only a person puts right.
local hs = { status = "Progressing", message = "Waiting for the operator to ask the provider" }
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
end
return hs

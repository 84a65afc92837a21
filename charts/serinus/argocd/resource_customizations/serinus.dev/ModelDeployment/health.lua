-- The conditions follow kstatus: Reconciling and Stalled are present only while they hold. What kstatus does not know is
-- Suspended: the release waits for a person or a calendar, or there are no pods because nobody wants any.
local waits = { Paused = true, AwaitingApproval = true, Frozen = true, ScaledToZero = true }

local hs = { status = "Progressing", message = "Waiting for the operator to see the change" }
if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return hs
end

local conditions = {}
for _, condition in ipairs(obj.status.conditions or {}) do
  conditions[condition.type] = condition
end
local ready, stalled, degrading = conditions.Ready, conditions.Stalled, conditions.Degrading
if ready == nil then
  return hs
end

hs.message = ready.reason .. ": " .. ready.message
if stalled ~= nil and stalled.status == "True" then
  hs.status = "Degraded"
elseif waits[ready.reason] then
  hs.status = "Suspended"
elseif ready.status == "True" then
  hs.status = "Healthy"
  if degrading ~= nil and degrading.status == "True" then
    hs.message = degrading.reason .. ": " .. degrading.message
  end
end
return hs

-- A revision is a record without conditions: what became of it is its phase. Rejected says that it must not serve, and
-- not that the model is ill; the health of an application does not count it, since it is not in Git.
local hs = { status = "Progressing", message = "Being released" }
if obj.status == nil or obj.status.phase == nil then
  return hs
end

local phase = obj.status.phase
hs.message = phase
if obj.status.message ~= nil and obj.status.message ~= "" then
  hs.message = phase .. ": " .. obj.status.message
end
if phase == "Rejected" then
  hs.status = "Degraded"
elseif phase ~= "Candidate" then
  hs.status = "Healthy"
end
return hs

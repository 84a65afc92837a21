local run = (obj.status or {}).activeRun
if run == nil or run == "" then
  error("no run is under way", 0)
end
local annotations = obj.metadata.annotations or {}
annotations["serinus.dev/command"] = "cancel " .. run .. " argocd:" .. obj.metadata.resourceVersion
-- A name that somebody else left there does not belong to this command.
annotations["serinus.dev/command-by"] = nil
obj.metadata.annotations = annotations
return obj

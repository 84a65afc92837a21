-- The key is the state that was looked at: two clicks on one state ask for one run.
local annotations = obj.metadata.annotations or {}
annotations["serinus.dev/command"] = "retrain argocd:" .. obj.metadata.resourceVersion
-- Argo CD does not tell a script who clicked. Where an admission policy binds the name to the caller, it is the account
-- of the Argo CD server; without one it is a claim.
annotations["serinus.dev/command-by"] = nil
if actionParams["by"] ~= nil and actionParams["by"] ~= "" then
  annotations["serinus.dev/command-by"] = actionParams["by"]
end
obj.metadata.annotations = annotations
return obj

local candidate = (obj.status or {}).candidate
local revision = candidate and candidate.revision
if revision == nil then
  error("no release is under way", 0)
end
-- The note is the state that was looked at: the operator carries out the same text only once.
local annotations = obj.metadata.annotations or {}
annotations["serinus.dev/command"] = "approve " .. revision .. " argocd:" .. obj.metadata.resourceVersion
-- Argo CD does not tell a script who clicked. Where an admission policy binds the name to the caller, it is the account
-- of the Argo CD server; without one it is a claim.
annotations["serinus.dev/command-by"] = nil
if actionParams["by"] ~= nil and actionParams["by"] ~= "" then
  annotations["serinus.dev/command-by"] = actionParams["by"]
end
obj.metadata.annotations = annotations
return obj

local rejected = (obj.status or {}).rejected
local revision = rejected and rejected.revision
if revision == nil then
  error("no revision was rejected", 0)
end
-- The note is the state that was looked at: the operator carries out the same text only once.
local annotations = obj.metadata.annotations or {}
annotations["serinus.dev/command"] = "retry " .. revision .. " argocd:" .. obj.metadata.resourceVersion
-- A name that somebody else left there does not belong to this command.
annotations["serinus.dev/command-by"] = nil
obj.metadata.annotations = annotations
return obj

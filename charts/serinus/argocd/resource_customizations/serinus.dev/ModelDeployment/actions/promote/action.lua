local candidate = (obj.status or {}).candidate
local revision = candidate and candidate.revision
if revision == nil then
  error("no release is under way", 0)
end
-- The note is the state that was looked at: the operator carries out the same text only once.
local annotations = obj.metadata.annotations or {}
annotations["serinus.dev/command"] = "promote " .. revision .. " argocd:" .. obj.metadata.resourceVersion
-- A name that somebody else left there does not belong to this command.
annotations["serinus.dev/command-by"] = nil
obj.metadata.annotations = annotations
return obj

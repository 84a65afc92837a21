local stable = (obj.status or {}).stable
local revision = stable and stable.revision
if revision == nil then
  error("no revision serves", 0)
end
-- The note is the state that was looked at: the operator carries out the same text only once.
local annotations = obj.metadata.annotations or {}
annotations["serinus.dev/command"] = "undo " .. revision .. " argocd:" .. obj.metadata.resourceVersion
-- A name that somebody else left there does not belong to this command.
annotations["serinus.dev/command-by"] = nil
obj.metadata.annotations = annotations
return obj

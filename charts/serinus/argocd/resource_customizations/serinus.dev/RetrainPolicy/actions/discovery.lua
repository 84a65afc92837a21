local run = (obj.status or {}).activeRun

return {
  ["retrain-now"] = { params = { { name = "by" } } },
  ["cancel"] = { disabled = run == nil or run == "" },
}

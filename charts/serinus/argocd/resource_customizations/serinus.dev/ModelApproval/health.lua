-- A record of what one person said. Whether it counts stands in the status of the run.
return { status = "Healthy", message = obj.spec.decision .. " by " .. obj.spec.approver }

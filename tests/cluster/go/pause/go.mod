module serinus.dev/cluster/pause

go 1.25

{{- /* Values that contradict each other; what one value may be alone is said by values.schema.json. */}}
{{- define "serinus.checks" -}}
{{- $wrong := list }}
{{- $v := .Values }}
{{- $replicas := int $v.replicas }}
{{- if and $v.podDisruptionBudget.enabled (lt $replicas 2) }}
{{- $wrong = append $wrong (printf "podDisruptionBudget.enabled: true protects nothing with replicas: %d; set replicas to 2 or more, or leave it null" $replicas) }}
{{- end }}
{{- if and (not $v.lease.enabled) (gt $replicas 1) }}
{{- $wrong = append $wrong (printf "lease.enabled: false lets replicas: %d act at once; set replicas to 1, or lease.enabled to true" $replicas) }}
{{- end }}
{{- if and (not $v.serviceAccount.create) (not $v.serviceAccount.name) }}
{{- $wrong = append $wrong "serviceAccount.name: is empty, and serviceAccount.create: false; give the name of a service account that exists" }}
{{- end }}
{{- range $feature := list "pullRequests" "events" "kueue" }}
{{- if and (get $v.features $feature) (not $v.features.retraining) }}
{{- $wrong = append $wrong (printf "features.%s: true is a part of retraining; set features.retraining to true" $feature) }}
{{- end }}
{{- end }}
{{- if and $v.gatewayNamespaces (not $v.watchNamespaces) }}
{{- $wrong = append $wrong "gatewayNamespaces: are all namespaces, as watchNamespaces is empty; leave them out, or give watchNamespaces" }}
{{- end }}
{{- if and $v.features.events (not $v.events.secret) }}
{{- $wrong = append $wrong "events.secret: is empty, and features.events: true; events without a signature are not taken, so give the name of the Secret with the keys" }}
{{- end }}
{{- if and $v.features.events (eq (int $v.events.port) (int $v.httpPort)) }}
{{- $wrong = append $wrong (printf "events.port: %d is httpPort too; give another one" (int $v.events.port)) }}
{{- end }}
{{- if and $v.features.pullRequests (not $v.pullRequests.hosts) }}
{{- $wrong = append $wrong "pullRequests.hosts: is empty, and features.pullRequests: true; give the git servers that pull requests may go to, such as github.com and api.github.com" }}
{{- end }}
{{- if and $v.models.mlflow.credentialsSecret.name (not $v.models.mlflow.url) }}
{{- $wrong = append $wrong (printf "models.mlflow.credentialsSecret.name: %s is for no server; give models.mlflow.url" $v.models.mlflow.credentialsSecret.name) }}
{{- end }}
{{- if and $v.models.mlflow.writable (not $v.models.mlflow.url) }}
{{- $wrong = append $wrong (printf "models.mlflow.writable: %s is for no server; give models.mlflow.url" (join ", " $v.models.mlflow.writable)) }}
{{- end }}
{{- if and (not $v.crds.install) $v.crds.annotations }}
{{- $wrong = append $wrong "crds.annotations: go nowhere, as crds.install: false; leave them out, or set crds.install to true" }}
{{- end }}
{{- if not (regexMatch "^[a-z]" (include "serinus.fullname" .)) }}
{{- $wrong = append $wrong (printf "fullnameOverride: is empty, and the release's name %s does not begin with a letter, which the names of Services have to; give one" .Release.Name) }}
{{- end }}
{{- range $value, $labels := dict "commonLabels" $v.commonLabels "podLabels" $v.podLabels }}
{{- range $label, $_ := $labels }}
{{- if or (hasKey (include "serinus.ownLabels" $ | fromYaml) $label) (eq "commonLabels app.kubernetes.io/component" (print $value " " $label)) }}
{{- $wrong = append $wrong (printf "%s.%s: is set by the chart; leave it out" $value $label) }}
{{- end }}
{{- if and (eq $value "podLabels") (hasKey $v.commonLabels $label) }}
{{- $wrong = append $wrong (printf "podLabels.%s: is in commonLabels too; leave one of them out" $label) }}
{{- end }}
{{- end }}
{{- end }}
{{- $spaces := dict }}
{{- range $index, $secret := $v.rbac.secrets.git }}
{{- if hasKey $spaces $secret.namespace }}
{{- $wrong = append $wrong (printf "rbac.secrets.git[%d].namespace: %s is there already, as rbac.secrets.git[%d]; give all its names in one" $index $secret.namespace (get $spaces $secret.namespace)) }}
{{- end }}
{{- $_ := set $spaces $secret.namespace $index }}
{{- if and $v.watchNamespaces (not (has $secret.namespace $v.watchNamespaces)) }}
{{- $wrong = append $wrong (printf "rbac.secrets.git[%d].namespace: %s is not watched; give one of watchNamespaces: %s" $index $secret.namespace (join ", " $v.watchNamespaces)) }}
{{- end }}
{{- end }}
{{- $names := dict }}
{{- range $index, $provider := $v.metricsProviders }}
{{- if hasKey $names $provider.name }}
{{- $wrong = append $wrong (printf "metricsProviders[%d].name: %s is there already, as metricsProviders[%d]; give each its own name" $index $provider.name (get $names $provider.name)) }}
{{- end }}
{{- $_ := set $names $provider.name $index }}
{{- end }}
{{- if and $v.networkPolicy.enabled (not $v.networkPolicy.extraEgress) }}
{{- $ours := dict }}
{{- range $index, $provider := $v.metricsProviders }}
{{- $_ := set $ours (printf "metricsProviders[%d].spec.address" $index) (list $provider.spec.address "prometheus") }}
{{- end }}
{{- range $index, $host := $v.models.hosts }}
{{- $_ := set $ours (printf "models.hosts[%d]" $index) (list $host "outside") }}
{{- end }}
{{- $_ := set $ours "models.mlflow.url" (list $v.models.mlflow.url "outside") }}
{{- $_ := set $ours "models.huggingface.url" (list $v.models.huggingface.url "outside") }}
{{- range $path, $place := $ours }}
{{- $address := first $place }}
{{- if $address }}
{{- $url := urlParse (contains "://" $address | ternary $address (print "https://" $address)) }}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (eq $url.scheme "http" | ternary "80" "443") }}
{{- $open := get $v.networkPolicy (last $place) }}
{{- if not (has $port (toStrings $open.ports)) }}
{{- $wrong = append $wrong (printf "%s: %s is at port %s, which networkPolicy does not let through; add it to networkPolicy.%s.ports, or give networkPolicy.extraEgress" $path $address $port (last $place)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if $wrong }}{{ fail (printf "values cannot be used:\n  - %s" (join "\n  - " $wrong)) }}{{ end }}
{{- end }}

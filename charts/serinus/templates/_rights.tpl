{{/* Whether a feature, named by its value, is on: root, feature. All but the routes belong to retraining. */}}
{{- define "serinus.isOn" -}}
{{- $values := .root.Values | toJson | fromJson }}
{{- $path := splitList "." (default "" .feature) }}
{{- $alone := or (not .feature) (has .feature (list "features.grpcRoutes" "features.inferencePools")) }}
{{- if and .feature (not (dig (first $path) (last $path) false $values)) }}
{{- else if or $alone $values.features.retraining }}true
{{- end }}
{{- end }}

{{/* The rules of some scopes, as YAML: root, scopes, and verbs where they are fewer than those of the list. */}}
{{- define "serinus.rules" -}}
{{- $root := .root }}
{{- range ($root.Files.Get "files/rights.yaml" | fromYamlArray) }}
{{- if and (has .scope $.scopes) (include "serinus.isOn" (dict "root" $root "feature" (default "" .feature))) }}
- apiGroups: [{{ .group | quote }}]
  resources: [{{ .resource }}]
  verbs: {{ toJson (default .verbs $.verbs) }}
  {{- if .names }}
  resourceNames: [{{ include "serinus.rightName" (dict "root" $root "of" .names) }}]
  {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "serinus.rightName" -}}
{{- $values := .root.Values | toJson | fromJson }}
{{- if eq .of "lease" }}{{ default (include "serinus.fullname" .root) (dig "lease" "name" "" $values) }}
{{- else }}{{ $values.events.secret }}{{ end }}
{{- end }}

{{/* The rules for kinds that train besides Job. */}}
{{- define "serinus.trainingRules" -}}
{{- if .Values.features.retraining }}
{{- range .Values.training.kinds }}
{{- $parts := splitList "=" . }}
{{- $kind := splitList "/" (first $parts) }}
{{- if ne (first $parts) "batch/v1/Job" }}
- apiGroups: [{{ index $kind 0 }}]
  resources: [{{ if gt (len $parts) 1 }}{{ last $parts }}{{ else }}{{ last $kind | lower }}s{{ end }}]
  verbs: [list, watch, create, delete]
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Names of the Secrets that MetricsProviders refer to, as JSON. */}}
{{- define "serinus.providerSecrets" -}}
{{- $names := .Values.rbac.secrets.providers }}
{{- range .Values.metricsProviders }}
{{- with (dig "credentials" "secretRef" "name" "" .spec) }}{{ $names = append $names . }}{{ end }}
{{- with (dig "tls" "caSecretRef" "name" "" .spec) }}{{ $names = append $names . }}{{ end }}
{{- end }}
{{- $names | uniq | sortAlpha | toJson }}
{{- end }}

{{/* A Role, or ClusterRole, and who has it: root, kind, name, namespace, rules. */}}
{{- define "serinus.grant" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels: {{- include "serinus.labels" .root | nindent 4 }}
rules: {{- .rules | trim | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}Binding
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels: {{- include "serinus.labels" .root | nindent 4 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: {{ .kind }}, name: {{ .name }}}
subjects:
  - {kind: ServiceAccount, name: {{ include "serinus.serviceAccountName" .root }}, namespace: {{ .root.Release.Namespace }}}
{{- end }}

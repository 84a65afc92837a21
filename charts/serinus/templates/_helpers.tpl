{{- define "serinus.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride }}
{{- else }}
{{- /* Services, which are named after it, have no dots. */}}
{{- $release := .Release.Name | replace "." "-" }}
{{- if contains "serinus" $release }}{{ $release | trunc 52 | trimSuffix "-" }}
{{- else }}{{ printf "%s-serinus" ($release | trunc 44 | trimSuffix "-") }}{{ end }}
{{- end }}
{{- end }}

{{/* Of what stands outside the release's namespace: two releases that keep to namespaces of their own may have the same name. A dot, which the name of no namespace has: a-b and c is not a and b-c. */}}
{{- define "serinus.widename" -}}
{{- if .Values.watchNamespaces }}{{ .Release.Namespace }}.{{ end }}{{ include "serinus.fullname" . }}
{{- end }}

{{- define "serinus.serviceAccountName" -}}
{{- default (include "serinus.fullname" .) .Values.serviceAccount.name }}
{{- end }}

{{- define "serinus.selectorLabels" -}}
app.kubernetes.io/name: serinus
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "serinus.ownLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "serinus.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: serinus
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "serinus.labels" -}}
{{ include "serinus.ownLabels" . }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "serinus.image" -}}
{{- with .Values.image }}{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end }}{{ end }}
{{- end }}

{{- /* Settings of the operator as a map from variable to value; empty ones are left to its own defaults. */}}
{{- define "serinus.settings" -}}
{{- $mlflow := .Values.models.mlflow -}}
SERINUS_WATCH_NAMESPACES: {{ join "," .Values.watchNamespaces | quote }}
SERINUS_HTTP_PORT: {{ int .Values.httpPort | quote }}
SERINUS_WORKERS: {{ int .Values.workers | quote }}
SERINUS_RESYNC_INTERVAL: {{ .Values.resyncInterval | quote }}
SERINUS_LEADER_ELECTION: {{ .Values.lease.enabled | quote }}
SERINUS_LEASE_NAME: {{ default (include "serinus.fullname" .) .Values.lease.name | quote }}
SERINUS_LEASE_DURATION: {{ .Values.lease.duration | quote }}
SERINUS_LOG_LEVEL: {{ .Values.log.level | quote }}
SERINUS_LOG_FORMAT: {{ .Values.log.format | quote }}
SERINUS_MODEL_HOSTS: {{ join "," .Values.models.hosts | quote }}
SERINUS_MLFLOW_URL: {{ $mlflow.url | quote }}
SERINUS_MLFLOW_CREDENTIALS: {{ ternary (printf "/etc/serinus/mlflow/%s" $mlflow.credentialsSecret.key) "" (ne $mlflow.credentialsSecret.name "") | quote }}
SERINUS_MLFLOW_WRITABLE: {{ join "," $mlflow.writable | quote }}
SERINUS_HUGGINGFACE_URL: {{ .Values.models.huggingface.url | quote }}
SERINUS_LOADER_IMAGE: {{ .Values.models.loaderImage | quote }}
SERINUS_TRAINING_KINDS: {{ join "," .Values.training.kinds | quote }}
SERINUS_GIT_HOSTS: {{ ternary (join "," .Values.pullRequests.hosts) "" .Values.features.pullRequests | quote }}
SERINUS_RECEIVER_LISTEN_PORT: {{ ternary (int .Values.events.port | toString) "" .Values.features.events | quote }}
SERINUS_RECEIVER_SECRET: {{ ternary .Values.events.secret "" .Values.features.events | quote }}
SERINUS_KUEUE: {{ .Values.features.kueue | quote }}
SERINUS_RETRAINING: {{ .Values.features.retraining | quote }}
SERINUS_GRPC_ROUTES: {{ .Values.features.grpcRoutes | quote }}
SERINUS_INFERENCE_POOLS: {{ .Values.features.inferencePools | quote }}
SERINUS_GATEWAY_NAMESPACES: {{ join "," .Values.gatewayNamespaces | quote }}
{{- end }}

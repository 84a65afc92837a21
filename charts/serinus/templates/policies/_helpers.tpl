{{- define "serinus.policyName" -}}
{{ include "serinus.widename" .root }}-{{ .of }}
{{- end }}

{{/* Who is the operator: a CEL list of user names. */}}
{{- define "serinus.operators" -}}
{{- $own := printf "system:serviceaccount:%s:%s" .Release.Namespace (include "serinus.serviceAccountName" .) }}
{{- $names := list $own }}
{{- range .Values.admission.operators }}{{ $names = append $names . }}{{ end }}
{{- include "serinus.celList" $names }}
{{- end }}

{{- define "serinus.celList" -}}
[{{ range $i, $one := . }}{{ if $i }}, {{ end }}{{ include "serinus.celText" $one }}{{ end }}]
{{- end }}

{{- define "serinus.celText" -}}
'{{ . | toString | replace "\\" "\\\\" | replace "'" "\\'" }}'
{{- end }}

{{/* A field of an object, and the default where it is missing, null or of another type than the default. */}}
{{- define "serinus.celField" -}}
{{- $type := get (dict "{}" "map" "[]" "list" "''" "string") (index . 2) -}}
(has({{ index . 0 }}.{{ index . 1 }}) && type({{ index . 0 }}.{{ index . 1 }}) == {{ $type }} ? {{ index . 0 }}.{{ index . 1 }} : {{ index . 2 }})
{{- end }}

{{/* A field that is a list: its objects. */}}
{{- define "serinus.celObjects" -}}
{{ include "serinus.celField" (list (index . 0) (index . 1) "[]") }}.filter(o, type(o) == map)
{{- end }}

{{/* Nobody's work is held up but that of people and tools: the operator passes, and so do Kubernetes' own controllers. */}}
{{- define "serinus.policyHead" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ include "serinus.policyName" . }}
  labels: {{- include "serinus.labels" .root | nindent 4 }}
spec:
  failurePolicy: Fail
{{- end }}

{{- define "serinus.policyScope" -}}
{{- with .Values.watchNamespaces }}
namespaceSelector:
  matchExpressions:
    - {key: kubernetes.io/metadata.name, operator: In, values: {{ toJson . }}}
{{- end }}
{{- end }}

{{- define "serinus.policyBinding" -}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ include "serinus.policyName" . }}
  labels: {{- include "serinus.labels" .root | nindent 4 }}
spec:
  policyName: {{ include "serinus.policyName" . }}
  validationActions: {{ toJson .actions }}
{{- end }}

{{- define "serinus.policyPasses" -}}
- name: not-the-operator
  expression: {{ printf "!(request.userInfo.username in %s)" (include "serinus.operators" .) | quote }}
- name: not-kubernetes-itself
  expression: >-
    !(request.userInfo.username in ['system:kube-controller-manager', 'system:apiserver'])
    && !('system:serviceaccounts:kube-system' in request.userInfo.groups)
{{- end }}

{{/*
What a pod template may be denied. `pod`: p is the pod, of which p.spec is its specification; `container`: c is one
of its containers, of which c.sec is the security context. `at` says where, as CEL.
*/}}
{{- define "serinus.podFields" -}}
hostPath:
  pod: "p.volumes.exists(v, has(v.hostPath) && v.hostPath != null)"
  at: "'.volumes[' + p.volumes.filter(v, has(v.hostPath) && v.hostPath != null)[0].name + '].hostPath'"
hostNetwork: {pod: "has(p.spec.hostNetwork) && p.spec.hostNetwork == true", at: "'.hostNetwork: true'"}
hostPID: {pod: "has(p.spec.hostPID) && p.spec.hostPID == true", at: "'.hostPID: true'"}
hostIPC: {pod: "has(p.spec.hostIPC) && p.spec.hostIPC == true", at: "'.hostIPC: true'"}
nodeName:
  pod: "has(p.spec.nodeName) && p.spec.nodeName != null && p.spec.nodeName != ''"
  at: "'.nodeName: ' + p.spec.nodeName"
podSpecPatch:
  pod: "has(p.spec.podSpecPatch) && p.spec.podSpecPatch != null && p.spec.podSpecPatch != ''"
  at: "'.podSpecPatch'"
sysctls:
  pod: "has(p.sec.sysctls) && p.sec.sysctls != null && p.sec.sysctls.size() > 0"
  at: "'.securityContext.sysctls'"
hostPorts:
  container: "c.ports.exists(o, has(o.hostPort) && o.hostPort != null && o.hostPort != 0)"
  at: "'.ports[].hostPort'"
privileged: {container: "has(c.sec.privileged) && c.sec.privileged == true", at: "'.securityContext.privileged: true'"}
allowPrivilegeEscalation:
  container: "has(c.sec.allowPrivilegeEscalation) && c.sec.allowPrivilegeEscalation == true"
  at: "'.securityContext.allowPrivilegeEscalation: true'"
capabilities:
  container: >-
    has(c.sec.capabilities) && c.sec.capabilities != null && has(c.sec.capabilities.add) && c.sec.capabilities.add != null
    && c.sec.capabilities.add.size() > 0
  at: "'.securityContext.capabilities.add'"
procMount:
  container: "has(c.sec.procMount) && c.sec.procMount != null && c.sec.procMount != 'Default'"
  at: "'.securityContext.procMount'"
hostProcess:
  pod: >-
    has(p.sec.windowsOptions) && p.sec.windowsOptions != null && has(p.sec.windowsOptions.hostProcess)
    && p.sec.windowsOptions.hostProcess == true
  container: >-
    has(c.sec.windowsOptions) && c.sec.windowsOptions != null && has(c.sec.windowsOptions.hostProcess)
    && c.sec.windowsOptions.hostProcess == true
  at: "'.securityContext.windowsOptions.hostProcess: true'"
unconfined:
  pod: >-
    [has(p.sec.seccompProfile) ? p.sec.seccompProfile : null, has(p.sec.appArmorProfile) ? p.sec.appArmorProfile : null]
    .exists(one, one != null && has(one.type) && one.type == 'Unconfined')
  container: >-
    [has(c.sec.seccompProfile) ? c.sec.seccompProfile : null, has(c.sec.appArmorProfile) ? c.sec.appArmorProfile : null]
    .exists(one, one != null && has(one.type) && one.type == 'Unconfined')
  at: "'.securityContext: an Unconfined profile'"
seLinux:
  pod: "has(p.sec.seLinuxOptions) && p.sec.seLinuxOptions != null"
  container: "has(c.sec.seLinuxOptions) && c.sec.seLinuxOptions != null"
  at: "'.securityContext.seLinuxOptions'"
{{- end }}

{{/*
Variables that read `specs`, a list of {path, spec} of pods: what stands in them, and what is open here. With `container`
the spec is a container too: its securityContext is the container's, and that of the pod is podSecurityContext. With
`part` it is laid over a pod that stands elsewhere, and names a service account only where it has one.
*/}}
{{- define "serinus.podVariables" -}}
- name: containers
  expression: >-
    variables.specs.map(p, {'path': p.path, 'spec': p.spec,
    'secAt': dyn(has(p.container) ? '.podSecurityContext' : '.securityContext'),
    'sec': dyn(has(p.container) ? {{ include "serinus.celField" (list "p.spec" "podSecurityContext" "{}") }}
    : {{ include "serinus.celField" (list "p.spec" "securityContext" "{}") }}),
    'volumes': dyn({{ include "serinus.celObjects" (list "p.spec" "volumes") }}),
    'all': dyn((has(p.container) ? [{'at': dyn(''), 'c': dyn(p.spec)}] : []) + {{ range $i, $list := list "containers" "initContainers" "sidecars" }}{{ if $i }}
    + {{ end }}{{ include "serinus.celObjects" (list "p.spec" $list) }}.map(c, {'at': dyn('{{ $list }}'), 'c': dyn(c)}){{ end }}
    {{- range list "container" "script" }}
    + (has(p.spec.{{ . }}) && type(p.spec.{{ . }}) == map ? [{'at': dyn('{{ . }}'), 'c': dyn(p.spec.{{ . }})}] : []){{ end }})})
- name: pods
  expression: >-
    variables.containers.map(p, {'path': p.path, 'spec': p.spec, 'secAt': p.secAt, 'sec': p.sec, 'volumes': p.volumes,
    'containers': dyn(p.all.map(one, {
    'at': dyn(one.at == '' ? '' : '.' + one.at + '[' + {{ include "serinus.celField" (list "one.c" "name" "''") }} + ']'),
    'sec': dyn({{ include "serinus.celField" (list "one.c" "securityContext" "{}") }}),
    'ports': dyn({{ include "serinus.celObjects" (list "one.c" "ports") }})}))})
- name: openedFields
  expression: >-
    namespaceObject.metadata.?annotations[?'serinus.dev/allowed-pod-fields'].orValue('').split(',').map(one, one.trim())
- name: openedAccounts
  expression: >-
    namespaceObject.metadata.?annotations[?'serinus.dev/allowed-service-accounts'].orValue('').split(',')
    .map(one, one.trim())
- name: accounts
  expression: >-
    variables.specs.map(p, {'path': p.path, 'named':
    has(p.spec.serviceAccountName) && p.spec.serviceAccountName != null && p.spec.serviceAccountName != ''
    ? dyn(p.spec.serviceAccountName)
    : has(p.spec.serviceAccount) && p.spec.serviceAccount != null && p.spec.serviceAccount != ''
    ? dyn(p.spec.serviceAccount) : has(p.spec.containers) && !has(p.part) ? dyn('default') : dyn('')})
- name: foreignAccounts
  expression: >-
    '*' in variables.openedAccounts ? [] : variables.accounts.filter(a, a.named != ''
    && !(a.named in {{ include "serinus.celList" .Values.admission.serviceAccounts }})
    && !(a.named in variables.openedAccounts))
- name: found
  expression: >-
    []
{{- $fields := include "serinus.podFields" . | fromYaml }}
{{- range $name := .Values.admission.deniedPodFields }}
{{- $field := index $fields $name }}
{{- if not $field }}
{{- fail (printf "admission.deniedPodFields: %q is not one of %s" $name (keys $fields | sortAlpha | join ", ")) }}
{{- end }}
{{- with $field.pod }}
    + ({{ include "serinus.celText" $name }} in variables.openedFields ? []
    : variables.pods.filter(p, {{ . }}).map(p, p.path + {{ $field.at | replace "'.securityContext" "p.secAt + '" }}))
{{- end }}
{{- with $field.container }}
    + ({{ include "serinus.celText" $name }} in variables.openedFields ? []
    : variables.pods.filter(p, p.containers.exists(c, {{ . }})).map(p,
    p.path + p.containers.filter(c, {{ . }})[0].at + {{ $field.at }}))
{{- end }}
{{- end }}
{{- end }}

{{/* What is said of them. */}}
{{- define "serinus.podValidations" -}}
- expression: "!variables.podsGiven || variables.found.size() == 0"
  messageExpression: >-
    variables.found.join(', ') + ': pods of models and of their training must do without; a platform team can allow it'
    + ' by the annotation serinus.dev/allowed-pod-fields of namespace ' + request.namespace
  message: >-
    a pod template has a field that is not allowed here: {{ join ", " .Values.admission.deniedPodFields }}; a platform
    team can allow it by the annotation serinus.dev/allowed-pod-fields of the namespace
  reason: Forbidden
- expression: "!variables.podsGiven || variables.foreignAccounts.size() == 0"
  messageExpression: >-
    variables.foreignAccounts[0].path + '.serviceAccountName: ' + variables.foreignAccounts[0].named
    + ' is not allowed; allowed are ' + ({{ include "serinus.celList" .Values.admission.serviceAccounts }}
    + variables.openedAccounts.filter(one, one != '')).join(', ')
    + '; a platform team can allow more by the annotation serinus.dev/allowed-service-accounts of namespace '
    + request.namespace
  message: "a pod template names a service account that is not allowed here"
  reason: Forbidden
{{- end }}

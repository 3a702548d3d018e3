{{/*
Names are fixed: one operator serves the whole cluster, and its lease, Service and default fleet are found by name.
A second release is refused by Helm, because the cluster-wide objects belong to the first.
*/}}
{{- define "sluice.operator" -}}
sluice-operator
{{- end }}

{{- define "sluice.replicas" -}}
sluice-operator-replicas
{{- end }}

{{- define "sluice.defaultFleet" -}}
sluice-default-fleet
{{- end }}

{{/* Where the certificate of tls.existingSecret is mounted. */}}
{{- define "sluice.tlsFolder" -}}
/etc/sluice/tls
{{- end }}

{{- define "sluice.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "sluice.operator" .) }}
{{- end }}

{{/* Labels that select the operator's pods. They can't be changed once a Deployment is there. */}}
{{- define "sluice.selectorLabels" -}}
app.kubernetes.io/name: sluice-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sluice.labels" -}}
{{ include "sluice.selectorLabels" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: sluice
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The reference of an image: (list . NAME). */}}
{{- define "sluice.image" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- with $root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- $name -}}
{{- if not (contains "@" $name) }}:{{ $root.Values.image.tag | default $root.Chart.AppVersion }}{{ end -}}
{{- end }}

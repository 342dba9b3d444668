{{/* What of the values is dnatctl's own configuration file. */}}
{{- define "dnatctl.configurationKeys" -}}
{{- range (.Files.Get "configuration-keys.txt" | trim | splitList "\n") }}{{ . }} {{ end -}}
{{- end }}

{{/* The configuration file: without the AccessKey pair, which goes into a Secret. */}}
{{- define "dnatctl.configuration" -}}
{{- $config := dict -}}
{{- range (include "dnatctl.configurationKeys" . | trim | splitList " ") -}}
{{- if hasKey $.Values . }}{{ $_ := set $config . (deepCopy (dict "value" (index $.Values .))).value }}{{ end -}}
{{- end -}}
{{- $publish := deepCopy (default dict $config.publish) -}}
{{- if .Values.openkruise.enabled }}{{ $_ := set $publish "annotation" true }}{{ end -}}
{{- if or .Values.openkruise.enabled .Values.podCondition.enabled }}{{ $_ := set $publish "condition" true }}{{ end -}}
{{- if $publish }}{{ $_ := set $config "publish" $publish }}{{ end -}}
{{- $credential := omit (default dict $config.credential) "accessKey" "accessSecret" -}}
{{- $config = omit $config "credential" -}}
{{- if $credential }}{{ $_ := set $config "credential" $credential }}{{ end -}}
{{- toYaml $config -}}
{{- end }}

{{- define "dnatctl.hasKeys" -}}
{{- $credential := default dict .Values.credential -}}
{{- if and $credential.accessKey $credential.accessSecret }}true{{ end -}}
{{- end }}

{{/* The Secret with the AccessKey pair, if one is used. */}}
{{- define "dnatctl.credentialSecret" -}}
{{- if .Values.credentialSecret.name }}{{ .Values.credentialSecret.name }}
{{- else if include "dnatctl.hasKeys" . }}dnatctl-access-key{{ end -}}
{{- end }}

{{/* A line for each value that was left as in the sample or taken out, in the words of `dnatctl
check`. What is missing in a gateway of the pool, the schema refuses. */}}
{{- define "dnatctl.placeholders" -}}
{{- range (.Files.Get "placeholders.txt" | trim | splitList "\n") -}}
{{- $key := index (splitList "\t" .) 0 }}{{ $allowed := index (splitList "\t" .) 1 -}}
{{- $found := dict $key (index $.Values $key) -}}
{{- if contains "[]" $key -}}
{{- $found = dict -}}
{{- $name := last (splitList "." $key) -}}
{{- range $index, $gateway := $.Values.networkController.natGwPool -}}
{{- with index $gateway $name }}{{ $_ := set $found (printf "networkController.natGwPool[%d].%s" $index $name) . }}{{ end -}}
{{- end -}}
{{- end -}}
{{- range $path, $value := $found -}}
{{- if kindIs "invalid" $value }}
{{ printf "%s: found nothing; allowed: %s" $path $allowed }}
{{- else if hasPrefix "<" (trim (toString $value)) }}
{{ printf "%s: found %q; allowed: %s (replace this placeholder)" $path $value $allowed }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "dnatctl.refuse" -}}
{{- with (include "dnatctl.placeholders" .) }}{{ fail . }}{{ end -}}
{{- if and .Values.addonToken.enabled (ne .Release.Namespace "kube-system") -}}
{{- fail (printf "addonToken.enabled: found in namespace %s; allowed: in kube-system, where ACK keeps the token: a pod mounts Secrets of its own namespace only" .Release.Namespace) -}}
{{- end -}}
{{- end }}

{{- define "dnatctl.labels" -}}
app.kubernetes.io/name: dnatctl
{{- end }}

#!/bin/sh
# deploy/new-certificates.sh FOLDER NAME...: an authority of your own and a certificate for the broker under those names
# (host names or IP addresses), for ten years and one. Clients get ca.pem alone; ca-key.pem belongs in a safe.
set -eu
umask 077
folder=$1
shift
names=
for name in "$@"; do
  case $name in
    *[!0-9.]*) names=$names,DNS:$name ;;
    *) names=$names,IP:$name ;;
  esac
done
mkdir -p "$folder"
cd "$folder"
[ -e ca-key.pem ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 -days 3650 \
  -subj "/CN=Tiding broker authority" -keyout ca-key.pem -out ca.pem
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 \
  -subj "/CN=$1" -keyout server-key.pem -out server.csr
printf 'subjectAltName=%s\n' "${names#,}" >names.cnf
openssl x509 -req -sha256 -in server.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 365 \
  -extfile names.cnf -out server.pem
rm server.csr names.cnf
chmod 644 ca.pem server.pem

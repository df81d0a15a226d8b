# An image for containers: `sluice` and what it needs, no shell, not root.
{ lib, callPackage, dockerTools, cacert }:
let
  sluice = callPackage ./package.nix { };
in
dockerTools.buildLayeredImage {
  name = "sluice";
  tag = sluice.version;
  contents = [ cacert ];
  extraCommands = "mkdir -m 1777 tmp && mkdir -p -m 0777 var/lib/sluice";
  config = {
    Entrypoint = [ (lib.getExe sluice) ];
    User = "65532:65532";
    WorkingDir = "/var/lib/sluice";
    Env = [ "SSL_CERT_FILE=${cacert}/etc/ssl/certs/ca-bundle.crt" ];
    Healthcheck.Test = [ "CMD" (lib.getExe sluice) "health" ];
  };
}

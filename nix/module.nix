# `services.sluice.<name>`: programs of Sluice as services, each with a user, a state directory and secrets of its own.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  toml = pkgs.formats.toml { };
  instances = config.services.sluice;

  instance = { name, config, ... }: {
    options = {
      program = mkOption {
        type = types.enum [ "pool" "proxy" "template-provider" "job-declarator" "node" ];
        description = "The program. A declaration client is a proxy with `job-declarator` in its settings.";
        example = "pool";
      };
      settings = mkOption {
        type = types.submodule { freeformType = toml.type; };
        default = { };
        description = "The keys of the configuration file, as `sluice PROGRAM config --example` lists them. Everybody can read them: secrets belong into `secrets`.";
        example = { coinbase-address = "bc1q..."; };
      };
      secrets = mkOption {
        type = types.attrsOf types.path;
        default = { };
        description = "Files outside of the store with the secret keys of the configuration, by the key's name without `-file`. Only the service reads them.";
        example = { authority-secret-key = "/run/secrets/pool.key"; };
      };
      openFirewall = mkOption {
        type = types.bool;
        default = false;
        description = "Whether the ports for miners and peers are opened. The page and the metrics stay closed.";
      };
      package = mkOption {
        type = types.package;
        default = pkgs.callPackage ./package.nix { };
        defaultText = "sluice";
        description = "The package of `sluice`.";
      };
    };
  };

  unit = name: "sluice-${name}";
  has = key: { settings, secrets, ... }: settings ? ${key} || secrets ? ${key} || settings ? "${key}-file";
  hasAny = keys: it: builtins.any (key: has key it) keys;
  secretKeys = [ "authority-secret-key" "rpc-password" "node-rpc-password" "http-token" "job-declaration-token-key" "spare-rpc-logins" "alert-to" ];
  shown = it: builtins.filter (key: it.settings ? ${key}) secretKeys;
  inStore = it: builtins.filter (key: lib.hasPrefix builtins.storeDir (toString it.secrets.${key})) (builtins.attrNames it.secrets);

  rulesOf = name: it:
    let
      isServer = it.program != "node";
      rule = assertion: message: { inherit assertion; message = "services.sluice.${name}: ${message}"; };
    in
    [
      (rule (shown it == [ ]) "settings.${lib.concatStringsSep ", settings." (shown it)} would be in the store, which everybody can read; put the path of a file into secrets")
      (rule (inStore it == [ ]) "secrets.${lib.concatStringsSep ", secrets." (inStore it)} is a file in the store, which everybody can read; name a path outside of it, as a string")
      (rule (!isServer || it.settings.plain or false || has "authority-secret-key" it) "secrets.authority-secret-key is missing: the file that `sluice key generate` writes; or settings.plain = true inside a trusted network")
      (rule (it.program != "pool" || has "template-provider" it) "settings.template-provider is missing: the URLs of template providers")
      (rule (it.program != "pool" || hasAny [ "coinbase-address" "coinbase-outputs" "solo-fee" "payout-scheme" ] it) "nobody is paid: one of settings.coinbase-address, coinbase-outputs, solo-fee and payout-scheme is needed")
      (rule (it.program != "proxy" || hasAny [ "upstream" "solo-address" ] it) "settings.upstream is missing: the URLs of pools")
      (rule (it.program != "proxy" || !(has "job-declarator" it) || has "template-provider" it) "settings.template-provider is missing: a proxy with job-declarator declares jobs of its own templates")
      (rule (it.program != "template-provider" || has "rpc-url" it) "settings.rpc-url is missing: the node's JSON-RPC")
      (rule (!it.openFirewall || ports it != [ ]) "openFirewall is set, but no settings.listen, v1-listen, v1-tls-listen or job-declaration-listen")
    ];

  portOf = address: lib.toInt (lib.last (lib.splitString ":" address));
  ports = it:
    map (key: portOf it.settings.${key})
      (builtins.filter (key: it.settings ? ${key}) [ "listen" "v1-listen" "v1-tls-listen" "job-declaration-listen" ]);

  serviceOf = name: it:
    let
      credentials = lib.mapAttrs' (key: _: lib.nameValuePair "${key}-file" "/run/credentials/${unit name}.service/${key}") it.secrets;
      file = toml.generate "${unit name}.toml" (it.settings // credentials);
    in
    lib.nameValuePair (unit name) {
      description = "Sluice ${it.program} ${name}";
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      after = [ "network-online.target" ];
      serviceConfig = {
        ExecStart = "${lib.getExe it.package} ${it.program} --config ${file}";
        ExecReload = "/bin/kill -HUP $MAINPID";
        LoadCredential = lib.mapAttrsToList (key: path: "${key}:${path}") it.secrets;
        Restart = "on-failure";
        RestartSec = 5;
        DynamicUser = true;
        StateDirectory = "sluice/${name}";
        WorkingDirectory = "/var/lib/sluice/${name}";
        LimitNOFILE = 1048576;
        # V8 makes memory executable after it has written to it, so MemoryDenyWriteExecute must stay off.
        CapabilityBoundingSet = "";
        LockPersonality = true;
        NoNewPrivileges = true;
        PrivateDevices = true;
        PrivateTmp = true;
        PrivateUsers = true;
        ProcSubset = "pid";
        ProtectClock = true;
        ProtectControlGroups = true;
        ProtectHome = true;
        ProtectHostname = true;
        ProtectKernelLogs = true;
        ProtectKernelModules = true;
        ProtectKernelTunables = true;
        ProtectProc = "invisible";
        ProtectSystem = "strict";
        RestrictAddressFamilies = [ "AF_INET" "AF_INET6" "AF_UNIX" "AF_NETLINK" ];
        RestrictNamespaces = true;
        RestrictRealtime = true;
        RestrictSUIDSGID = true;
        SystemCallArchitectures = "native";
        SystemCallFilter = [ "@system-service" "~@privileged" ];
        UMask = "0077";
      };
    };
in
{
  options.services.sluice = mkOption {
    type = types.attrsOf (types.submodule instance);
    default = { };
    description = "Programs of Sluice, by a name of your own.";
  };

  config = lib.mkIf (instances != { }) {
    assertions = lib.concatLists (lib.mapAttrsToList rulesOf instances);
    systemd.services = lib.mapAttrs' serviceOf instances;
    networking.firewall.allowedTCPPorts =
      lib.concatMap (it: lib.optionals it.openFirewall (ports it)) (builtins.attrValues instances);
  };
}

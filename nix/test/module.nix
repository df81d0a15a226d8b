# Evaluates the module alone: four configurations that hold, with what they make of it, and five that must be refused with a sentence.
{ lib }:
let
  pkgs = {
    formats.toml = _: {
      type = lib.types.attrsOf lib.types.anything;
      generate = name: value: "${name} ${builtins.toJSON value}";
    };
  };
  # What the module sets of NixOS.
  surroundings.options = {
    assertions = lib.mkOption { type = lib.types.listOf lib.types.attrs; default = [ ]; };
    systemd.services = lib.mkOption { type = lib.types.attrsOf lib.types.anything; default = { }; };
    networking.firewall.allowedTCPPorts = lib.mkOption { type = lib.types.listOf lib.types.port; default = [ ]; };
  };
  package = { type = "derivation"; name = "sluice"; outPath = "/sluice"; meta.mainProgram = "sluice"; };
  evaluate = instances:
    (lib.evalModules {
      specialArgs = { inherit pkgs; };
      modules = [ ../module.nix surroundings { services.sluice = lib.mapAttrs (_: it: { inherit package; } // it) instances; } ];
    }).config;
  refusals = instances: map (it: it.message) (builtins.filter (it: !it.assertion) (evaluate instances).assertions);

  key.authority-secret-key = "/run/secrets/key";
  pool = { program = "pool"; secrets = key; settings = { template-provider = [ "stratum2+tcp://127.0.0.1:18447/KEY" ]; coinbase-address = "bc1q"; }; };
  proxy = { program = "proxy"; secrets = key; settings.upstream = [ "stratum2+tcp://pool.example:3333/KEY" ]; };
  provider = {
    program = "template-provider";
    secrets = key // { rpc-password = "/run/secrets/rpc"; };
    settings = { rpc-url = "http://127.0.0.1:8332"; rpc-user = "sluice"; zmq = "tcp://127.0.0.1:28332"; };
  };

  service = name: instances: (evaluate instances).systemd.services."sluice-${name}";
  contains = part: text: lib.hasInfix part text || throw "expected ${part} in ${text}";
  good = [
    (refusals { inherit pool; } == [ ])
    (contains "sluice pool --config sluice-pool.toml" (service "pool" { inherit pool; }).serviceConfig.ExecStart)
    (contains "/run/credentials/sluice-pool.service/authority-secret-key" (service "pool" { inherit pool; }).serviceConfig.ExecStart)
    (refusals { inherit proxy; } == [ ])
    (refusals { inherit provider pool; } == [ ])
    ((service "provider" { inherit provider; }).serviceConfig.LoadCredential == [ "authority-secret-key:/run/secrets/key" "rpc-password:/run/secrets/rpc" ])
    (refusals { client = proxy // { settings = proxy.settings // { job-declarator = [ "x" ]; template-provider = [ "y" ]; }; }; } == [ ])
    ((evaluate { open = pool // { openFirewall = true; settings = pool.settings // { listen = "[::]:3333"; v1-listen = "0.0.0.0:3336"; }; }; }).networking.firewall.allowedTCPPorts == [ 3333 3336 ])
    (!((service "pool" { inherit pool; }).serviceConfig ? MemoryDenyWriteExecute))
  ];

  refused = words: instances:
    let found = refusals instances; in
    (builtins.length found == 1 && contains words (builtins.head found)) || throw "expected one sentence with ${words}, got ${builtins.toJSON found}";
  bad = [
    (refused "nobody is paid" { pool = pool // { settings = { inherit (pool.settings) template-provider; }; }; })
    (refused "secrets.authority-secret-key is missing" { pool = pool // { secrets = { }; }; })
    (refused "settings.http-token would be in the store" { pool = pool // { settings = pool.settings // { http-token = "x"; }; }; })
    (refused "settings.template-provider is missing: a proxy" { proxy = proxy // { settings = proxy.settings // { job-declarator = [ "x" ]; }; }; })
    (refused "openFirewall is set, but no settings.listen" { pool = pool // { openFirewall = true; }; })
    (!(builtins.tryEval (builtins.deepSeq (evaluate { x = pool // { program = "pol"; }; }).systemd.services true)).success)
  ];
in
if builtins.all (it: it) (good ++ bad) then "The module holds.\n" else throw "a configuration is not what was expected: ${builtins.toJSON { inherit good bad; }}"

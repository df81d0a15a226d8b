# A machine with a development node, a template provider and a pool as services: a miner finds a block.
self: {
  name = "sluice";
  nodes.machine = { pkgs, ... }:
    let
      package = self.packages.${pkgs.stdenv.hostPlatform.system}.sluice;
      password = "${pkgs.writeText "password" "test"}";
    in
    {
      imports = [ self.nixosModules.default ];
      environment.systemPackages = [ package ];
      systemd.tmpfiles.rules = [ "C /run/rpc-password 0600 root root - ${password}" ];
      services.sluice = {
        node = { inherit package; program = "node"; secrets.rpc-password = "/run/rpc-password"; settings = { rpc-user = "test"; bits = "1e7fffff"; }; };
        provider = {
          inherit package;
          program = "template-provider";
          secrets.rpc-password = "/run/rpc-password";
          settings = { rpc-url = "http://127.0.0.1:18443"; rpc-user = "test"; zmq = "tcp://127.0.0.1:28332"; plain = true; };
        };
        pool = {
          inherit package;
          program = "pool";
          settings = {
            template-provider = [ "stratum2+tcp+plain://127.0.0.1:18447" ];
            coinbase-address = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
            plain = true;
            http-listen = "127.0.0.1:8080";
          };
        };
      };
    };
  testScript = ''
    machine.wait_for_unit("sluice-pool.service")
    machine.wait_until_succeeds("sluice health --url http://127.0.0.1:8080/health/ready")
    machine.execute("sluice miner --connect stratum2+tcp+plain://127.0.0.1:3333 --user test >/tmp/miner 2>&1 &")
    machine.wait_until_succeeds("journalctl -u sluice-pool | grep 'A miner found a block'")
    machine.succeed("systemctl stop sluice-pool && systemctl show -p Result sluice-pool | grep success")
  '';
}

{
  description = "Sluice: Stratum V2, the protocol between Bitcoin miners, proxies, pools and nodes";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      each = systems: make: lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
      linux = [ "x86_64-linux" "aarch64-linux" ];
      everywhere = each (linux ++ [ "x86_64-darwin" "aarch64-darwin" ]);
    in
    {
      packages = lib.recursiveUpdate
        (everywhere (pkgs: rec {
          sluice = pkgs.callPackage ./nix/package.nix { };
          device = pkgs.callPackage ./nix/device.nix { };
          default = sluice;
        }))
        (each linux (pkgs: { image = pkgs.callPackage ./nix/image.nix { }; }));

      overlays.default = final: _: {
        sluice = final.callPackage ./nix/package.nix { };
        sluice-device = final.callPackage ./nix/device.nix { };
      };

      nixosModules.default = import ./nix/module.nix;

      devShells = everywhere (pkgs: {
        default = pkgs.mkShell { packages = with pkgs; [ nodejs_24 wabt bubblewrap ]; };
      });

      # Both outputs are built, a machine mines a block, and the module refuses wrong configurations.
      checks = each linux (pkgs: {
        inherit (self.packages.${pkgs.stdenv.hostPlatform.system}) sluice device;
        module = pkgs.writeText "module" (import ./nix/test/module.nix { inherit lib; });
        machine = pkgs.testers.runNixOSTest (import ./nix/test/machine.nix self);
      });
    };
}

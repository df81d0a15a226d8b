# The modules for a miner's firmware: WebAssembly, the pair of C files with its header, and their hashes, which the repository has too.
{ callPackage, wabt }:
(callPackage ./package.nix { }).overrideAttrs (old: {
  pname = "sluice-device";
  nativeBuildInputs = old.nativeBuildInputs ++ [ wabt ];
  buildPhase = ''
    runHook preBuild
    rm -rf node_modules/node node_modules/.bin/node
    node embedded/assembly/build.ts
    node embedded/c/build.ts
    runHook postBuild
  '';
  installPhase = ''
    runHook preInstall
    mkdir -p $out
    cp -R embedded/build/. embedded/SHA256SUMS $out/
    (cd $out && sha256sum --check SHA256SUMS)
    runHook postInstall
  '';
  doInstallCheck = false;
  meta = old.meta // { description = "Stratum V2 for a miner's firmware, as WebAssembly and C"; };
})

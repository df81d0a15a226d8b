# `sluice` from the sources as they are: Node runs TypeScript by itself (docs/decisions/0001). What a first start would make, the operators'
# page and the WebAssembly modules, is made here.
{ lib, stdenv, buildNpmPackage, importNpmLock, nodejs_24, autoPatchelfHook, makeWrapper }:
let
  root = ../.;
in
buildNpmPackage {
  pname = "sluice";
  version = (lib.importJSON ../package.json).version;
  src = lib.cleanSourceWith {
    src = root;
    filter = path: _: builtins.elem (builtins.head (lib.splitString "/" (lib.removePrefix "${toString root}/" (toString path)))) [
      "package.json"
      "package-lock.json"
      "tsconfig.json"
      "tsconfig.base.json"
      "packages"
      "programs"
      "embedded"
      "scripts"
      "bench"
      "examples"
      "interop"
    ];
  };

  # The hashes of the lockfile are the hashes of the packages: there is none to keep here.
  npmDeps = importNpmLock { npmRoot = root; };
  npmConfigHook = importNpmLock.npmConfigHook;
  nodejs = nodejs_24;
  npmFlags = [ "--ignore-scripts" ];
  nativeBuildInputs = [ makeWrapper ] ++ lib.optional stdenv.hostPlatform.isLinux autoPatchelfHook;
  buildInputs = lib.optional stdenv.hostPlatform.isLinux stdenv.cc.cc.lib;
  # Programs for other platforms, which come with packages, are not repaired.
  autoPatchelfIgnoreMissingDeps = [ "*" ];

  # The lockfile's own node does not run on NixOS.
  buildPhase = ''
    runHook preBuild
    rm -rf node_modules/node node_modules/.bin/node
    node embedded/assembly/build.ts
    (cd packages/monitor/page && node ../../../node_modules/vite/bin/vite.js build)
    runHook postBuild
  '';
  installPhase = ''
    runHook preInstall
    npm prune --omit=dev --ignore-scripts --offline --no-audit --no-fund
    mkdir -p $out/lib/sluice
    cp -R package.json packages programs embedded node_modules $out/lib/sluice/
    find $out/lib/sluice/node_modules -xtype l -delete
    makeWrapper ${lib.getExe nodejs_24} $out/bin/sluice --add-flags $out/lib/sluice/programs/src/main.ts
    runHook postInstall
  '';
  doInstallCheck = true;
  installCheckPhase = ''
    $out/bin/sluice --version
    $out/bin/sluice key generate
  '';

  meta = {
    description = "A pool, a proxy, a template provider and a job declarator for Stratum V2";
    license = with lib.licenses; [ mit asl20 ];
    mainProgram = "sluice";
    platforms = lib.platforms.unix;
  };
}

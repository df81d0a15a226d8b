// The used part of WebAssembly, which Node provides but neither its types nor the ES library declare.
declare namespace WebAssembly {
  interface Module {}
  const Module: new (bytes: Uint8Array<ArrayBuffer>) => Module
  const Instance: new (module: Module, imports?: object) => Instance
}

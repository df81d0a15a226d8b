// What is used of WebAssembly, which Node has but neither its types nor the ES library describe.
declare namespace WebAssembly {
  const Module: new (bytes: Uint8Array<ArrayBuffer>) => Module
  const Instance: new (module: Module, imports?: object) => Instance
}

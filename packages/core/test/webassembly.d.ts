// What the tests use of WebAssembly, which Node has but neither its types nor the ES library describe.
declare namespace WebAssembly {
  interface Module {
    readonly __module: unique symbol
  }
  interface Memory {
    readonly buffer: ArrayBuffer
  }
  interface Instance {
    readonly exports: Record<string, unknown>
  }
  function compile(bytes: Uint8Array<ArrayBuffer>): Promise<Module>
  function instantiate(module: Module, imports: object): Promise<Instance>
}

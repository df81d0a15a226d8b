// The part of WebAssembly that the tests use. Node provides it, but neither its types nor the ES library declare it.
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

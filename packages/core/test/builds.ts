/** The package's two builds behind the harness: as JavaScript, in this process, and as WebAssembly. */
import { build as compileToWasm } from "../assembly/compile.ts"
import * as harness from "./harness.ts"
import * as hostCurve from "./host-curve.ts"

type Harness = Omit<typeof harness, "arena" | "ARENA_SIZE" | "useCurve">

export interface Build {
  readonly name: string
  readonly call: Harness
  /** The arena. Ask again after calls: WebAssembly memory moves when it grows. */
  readonly arena: () => Uint8Array
}

harness.useCurve(new hostCurve.HostCurve())

export const javascript: Build = { name: "JavaScript", call: harness, arena: () => harness.arena }

const instantiate = async (): Promise<Build> => {
  const at = (pointer: number, length: number) => new Uint8Array(exports.memory.buffer, pointer, length)
  const instance = await WebAssembly.instantiate(await compileToWasm(), {
    env: {
      abort: (_message: number, _file: number, line: number, column: number) => {
        throw new Error(`WebAssembly aborted at ${line}:${column}`)
      }
    },
    entry: {
      createEllSwift: (secret: number, entropy: number, out: number) =>
        hostCurve.createEllSwift(at(secret, 32), at(entropy, 32), at(out, 64)),
      ecdh: (theirs: number, ours: number, secret: number, initiator: number, out: number) =>
        hostCurve.ecdh(at(theirs, 64), at(ours, 64), at(secret, 32), initiator !== 0, at(out, 32)),
      xOnly: (ellSwift: number, out: number) => hostCurve.xOnly(at(ellSwift, 64), at(out, 32)),
      verify: (message: number, signature: number, publicKey: number) =>
        hostCurve.verify(at(message, 32), at(signature, 64), at(publicKey, 32))
    }
  })
  const exports = instance.exports as unknown as Harness & {
    readonly memory: WebAssembly.Memory
    readonly arenaAt: () => number
  }
  const arenaAt = exports.arenaAt()
  let view = at(arenaAt, harness.ARENA_SIZE)
  return {
    name: "WebAssembly",
    call: exports,
    arena: () => {
      if (view.length === 0) view = at(arenaAt, harness.ARENA_SIZE)
      return view
    }
  }
}

export const wasm: Build = await instantiate()

export const builds: ReadonlyArray<Build> = [javascript, wasm]

/** Bytes from hexadecimal digits. */
export const hex = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits, "hex"))

/** Puts the bytes into the arena, and reads them back. */
export const put = (build: Build, at: number, bytes: Uint8Array): void => build.arena().set(bytes, at)
export const take = (build: Build, at: number, length: number): string =>
  Buffer.from(build.arena().subarray(at, at + length)).toString("hex")

/**
 * Keeps blocks that were found while no node was reachable, each in a file of its own, in hex as `bitcoin-cli submitblock`
 * takes it. File names contain height and hash. The files survive the program.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Effect, FileSystem, type PlatformError } from "effect"

export interface BlockFile {
  /** Display order. */
  readonly hash: string
  readonly height: number
  /** The whole block in hex. */
  readonly block: string
}

export interface BlockFiles {
  /** Writes the block atomically and gives the file's path. */
  readonly save: (file: BlockFile) => Effect.Effect<string, PlatformError.PlatformError>
  /** Removes the file of a block that a node has judged. Does nothing if there is no file. */
  readonly remove: (file: Omit<BlockFile, "block">) => Effect.Effect<void, PlatformError.PlatformError>
  /** All blocks in the directory, the lowest first. Ignores files with other names. */
  readonly list: Effect.Effect<ReadonlyArray<BlockFile>, PlatformError.PlatformError>
}

/** Block files in this directory, which is created with the first file. */
export const makeBlockFiles = (directory: string): Effect.Effect<BlockFiles> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const pathOf = ({ hash, height }: Omit<BlockFile, "block">): string => `${directory}/block-${height}-${hash}.hex`
    const files: BlockFiles = {
      save: Effect.fnUntraced(function* (file) {
        const path = pathOf(file)
        yield* fs.makeDirectory(directory, { recursive: true })
        yield* fs.writeFileString(`${path}.part`, `${file.block}\n`)
        yield* fs.rename(`${path}.part`, path)
        return path
      }),
      remove: (file) => fs.remove(pathOf(file), { force: true }),
      list: Effect.gen(function* () {
        if (!(yield* fs.exists(directory))) return []
        const names = yield* fs.readDirectory(directory)
        const found: Array<BlockFile> = []
        for (const name of names) {
          const [, height, hash] = NAME.exec(name) ?? []
          if (height === undefined || hash === undefined) continue
          const block = (yield* fs.readFileString(`${directory}/${name}`)).trim()
          if (HEX.test(block)) found.push({ hash, height: Number(height), block })
          else yield* Effect.logWarning(`${directory}/${name} is not a block in hex and is ignored`)
        }
        return found.toSorted((a, b) => a.height - b.height)
      })
    }
    return files
  }).pipe(Effect.provide(NodeFileSystem.layer))

const NAME = /^block-(\d{1,10})-([0-9a-f]{64})\.hex$/
const HEX = /^([0-9a-f]{2}){81,}$/

/**
 * Blocks that were found while no node was there, one file each: hex, as `bitcoin-cli submitblock` takes it, under a name
 * that says height and hash. What is in the directory survives the program.
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
  /** Writes the block, whole or not at all, and gives the file's path. */
  readonly save: (file: BlockFile) => Effect.Effect<string, PlatformError.PlatformError>
  /** A block that a node has taken or refused needs no file any more; one that has none is no error. */
  readonly remove: (file: Omit<BlockFile, "block">) => Effect.Effect<void, PlatformError.PlatformError>
  /** All blocks in the directory, the lowest first. What is not named like one is left alone. */
  readonly list: Effect.Effect<ReadonlyArray<BlockFile>, PlatformError.PlatformError>
}

/** Blocks in this directory, which is made when the first one is written. */
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
          else yield* Effect.logWarning(`${directory}/${name} holds no block in hex`)
        }
        return found.toSorted((a, b) => a.height - b.height)
      })
    }
    return files
  }).pipe(Effect.provide(NodeFileSystem.layer))

const NAME = /^block-(\d{1,10})-([0-9a-f]{64})\.hex$/
const HEX = /^([0-9a-f]{2}){81,}$/

/**
 * `npm run image:try`: the image's file system as a container has it: read-only, as a user who is not root, with nothing but /proc and
 * /dev beside it. There is no container engine in it: a mount namespace and chroot take its place.
 */
import { mkdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { type Command, firstBlock, Running, startSession } from "../session.ts"
import { version } from "../workspace.ts"
import { buildImage } from "./build.ts"

const { id, root } = await buildImage()
for (const name of ["proc", "dev"]) await mkdir(join(root, name), { recursive: true })

/** What an engine does; `$0` is the file system and `$@` the arguments. */
const CONTAINER = [
  'mount --rbind "$0" "$0"',
  'mount -t proc proc "$0/proc"',
  'mount --rbind /dev "$0/dev"',
  'mount -o remount,bind,ro "$0"',
  'cd "$0"',
  'exec chroot --userspec=65532:65532 "$0" /usr/bin/sluice "$@"'
].join(" && ")
const container = (...flags: ReadonlyArray<string>): Command =>
  ["unshare", "--mount", "--propagation", "private"].concat(flags, ["sh", "-c", CONTAINER, root]) as [
    string,
    ...Array<string>
  ]
const sluice = container()
process.env["HOME"] = "/var/lib/sluice"

const printed = await new Running([...sluice, "--version"]).succeed()
if (printed !== `sluice v${version}\n`) throw new Error(`expected version ${version}, got ${printed}`)

const session = await startSession(sluice, { plain: true })
try {
  const ask = () => new Running([...sluice, "health"], { SLUICE_POOL__HTTP_LISTEN: new URL(session.page).host })
  let check = ask()
  for (let left = 30; (await check.ended) !== 0 && left > 0; left--) check = ask()
  await check.find(/health\/ready: ready/, 0)
  await session.programs[2]!.stop()
  const after = ask()
  if ((await after.ended) !== 1) throw new Error(`expected status 1 for a pool that has stopped:\n${after.output}`)
  console.log("ok   the health check follows the pool")
} finally {
  await session.stop()
}

// An engine makes the program the first process, which ignores signals that it does not handle.
const first = new Running([...container("--pid", "--fork"), "node"], {
  SLUICE_NODE__RPC_LISTEN: "127.0.0.1:0",
  SLUICE_NODE__RPC_USER: "sluice",
  SLUICE_NODE__RPC_PASSWORD: "of-a-test",
  SLUICE_NODE__ZMQ: "tcp://127.0.0.1:*"
})
await first.find(/listens/)
const { pid } = first.process
const [child] = (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).split(" ")
process.kill(Number(child), "SIGTERM")
await first.succeed()
console.log("ok   as the first process it stops on SIGTERM")

console.log(`ok   solo mining, a block after ${(await firstBlock(sluice)).toFixed(1)} s; image sha256:${id}`)

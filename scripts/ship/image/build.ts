/**
 * `npm run image`: the container image, as build/ship/image/sluice.tar (`podman load`, `docker load`) with its digest and SBOM. Buildah makes
 * it without a daemon. The libraries and certificates are those of this Debian's packages; their versions are in the image.
 */
import { createHash } from "node:crypto"
import { mkdir, readdir, readFile, readlink, realpath, rm, writeFile } from "node:fs/promises"
import { basename, join } from "node:path"
import { buildBinary } from "../binary/build.ts"
import { layOut, put, settle } from "../installed.ts"
import { writeSbom } from "../sbom.ts"
import { isBuilt, output, run, sha256OfFile, version } from "../workspace.ts"

/** What the binary and the addon are linked with, and who the well-known authorities are. */
const DEBIAN = ["libc6", "libgcc-s1", "libstdc++6", "ca-certificates"]
const LIBRARIES =
  /\/(ld-linux-[\w-]+\.so\.\d|lib(c|m|dl|pthread|rt|resolv|nss_dns|nss_files)\.so\.\d+|libgcc_s\.so\.1|libstdc\+\+\.so\.6)$/

export interface Image {
  readonly id: string
  readonly archive: string
  /** The file system, for those who have no container engine. */
  readonly root: string
}

/** Buildah's own storage, for this repository alone. */
const storage = join(output, "image", "storage")
const buildah = (...args: ReadonlyArray<string>): Promise<string> =>
  run(["buildah", "--root", storage, "--runroot", `${storage}.run`, "--storage-driver", "vfs", ...args])

export const buildImage = async (): Promise<Image> => {
  const folder = join(output, "image")
  const archive = join(folder, "sluice.tar")
  if (isBuilt) {
    const id = (await readFile(join(folder, "digest"), "utf8")).trim().slice("sha256:".length)
    return { id, archive, root: join(folder, "unpacked/root") }
  }
  await rm(folder, { recursive: true, force: true })
  const root = join(folder, "context", "root")
  await mkdir(join(folder, "context", "state"), { recursive: true })
  await layOut(await buildBinary(), root)
  await addDebian(join(folder, "debian"), root)
  await writeFile(join(root, "etc/passwd"), "sluice:x:65532:65532:Sluice:/var/lib/sluice:/nonexistent\n")
  await writeFile(join(root, "etc/group"), "sluice:x:65532:\n")
  await writeFile(join(root, "etc/nsswitch.conf"), "hosts: files dns\n")
  // A program makes files for others here if somebody mounts a file system; by itself it needs none.
  await mkdir(join(root, "tmp"))
  await writeSbom(join(root, "usr/share/doc/sluice/sbom.spdx.json"))
  await settle(join(folder, "context"))

  const tag = `localhost/sluice:${version}`
  const containerfile = join(import.meta.dirname, "Containerfile")
  const labels = [`org.opencontainers.image.version=${version}`, "org.opencontainers.image.title=sluice"]
  const made = ["--isolation", "chroot", "--format", "docker", "--timestamp", "0", "--layers=false"]
  const named = [...labels.flatMap((label) => ["--label", label]), "--tag", tag]
  await buildah("bud", "--quiet", ...made, ...named, "--file", containerfile, join(folder, "context"))
  const pushed = join(folder, "pushed.tar")
  await buildah("push", "--quiet", tag, `docker-archive:${pushed}`)
  const id = await withoutTraces(pushed, archive)
  // The engines' own reader of archives: it finds the image whole, with its health check, under the same name.
  const container = (await buildah("from", `docker-archive:${archive}`)).trim()
  const read = await buildah("inspect", "--format", "{{.FromImageID}} {{.Docker.Config.Healthcheck.Test}}", container)
  if (read.trim() !== `${id} [CMD /usr/bin/sluice health]`) throw new Error(`expected the image ${id}, got ${read}`)
  await buildah("rm", "--all")
  await buildah("rmi", "--all", "--force")
  for (const path of [pushed, storage, `${storage}.run`]) await rm(path, { recursive: true, force: true })
  await writeFile(join(folder, "digest"), `sha256:${id}\n`)
  return { id, archive, root: await unpack(archive, join(folder, "unpacked")) }
}

/**
 * Writes the archive anew without the name of the container that it was made in, which is another one each time. Gives the
 * image's id, the hash of its configuration. (Images of the OCI's format have no such name, but no health check either.)
 */
const withoutTraces = async (from: string, to: string): Promise<string> => {
  const parts = `${to}.parts`
  await mkdir(parts)
  await run(["tar", "-xf", from, "-C", parts])
  const [manifest] = JSON.parse(await readFile(join(parts, "manifest.json"), "utf8")) as [Manifest]
  const {
    container: _,
    container_config: __,
    ...image
  } = JSON.parse(await readFile(join(parts, manifest.Config), "utf8")) as {
    readonly config: object
    readonly [field: string]: unknown
  }
  const text = JSON.stringify({ ...image, config: { ...image.config, Hostname: "" } })
  const id = createHash("sha256").update(text).digest("hex")
  await writeFile(join(parts, `${id}.json`), text)
  await writeFile(
    join(parts, "manifest.json"),
    JSON.stringify([{ Config: `${id}.json`, RepoTags: [`localhost/sluice:${version}`], Layers: manifest.Layers }])
  )
  const tar = ["tar", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "--mode=0644"] as const
  await run([...tar, "-cf", to, "-C", parts, "manifest.json", `${id}.json`, ...manifest.Layers])
  await rm(parts, { recursive: true })
  return id
}

interface Manifest {
  readonly Config: string
  readonly Layers: ReadonlyArray<string>
}

/** Takes libraries and certificates out of Debian's packages, with their copyright. */
const addDebian = async (folder: string, root: string): Promise<void> => {
  await mkdir(folder, { recursive: true })
  await run(["apt-get", "-qq", "download", ...DEBIAN], { cwd: folder })
  const gcc = (await readdir(folder)).find((name) => name.startsWith("libgcc-s1"))!
  const [, base] = /(gcc-\d+-base)/.exec(await run(["dpkg-deb", "-f", join(folder, gcc), "Depends"]))!
  await run(["apt-get", "-qq", "download", base!], { cwd: folder })
  const packages = (await readdir(folder)).filter((name) => name.endsWith(".deb")).toSorted()
  const unpacked = join(folder, "files")
  for (const name of packages) await run(["dpkg-deb", "-x", join(folder, name), unpacked])
  const files = (await readdir(unpacked, { recursive: true })).toSorted()
  for (const name of files) {
    if (!LIBRARIES.test(`/${name}`) || name.startsWith("lib64/")) continue
    // A name that programs are linked with is a link to a file with a version.
    const from = await realpath(join(unpacked, name))
    await put(from, join(root, name), 0o755)
  }
  if (process.arch === "x64") {
    const loader = files.find((name) => /^(usr\/)?lib\/.*ld-linux-x86-64\.so\.2$/.test(name))!
    await put(await realpath(join(unpacked, loader)), join(root, "lib64/ld-linux-x86-64.so.2"), 0o755)
  }
  const authorities = files.filter((name) => name.startsWith("usr/share/ca-certificates/") && name.endsWith(".crt"))
  const texts = await Promise.all(authorities.map((name) => readFile(join(unpacked, name), "utf8")))
  await mkdir(join(root, "etc/ssl/certs"), { recursive: true })
  await writeFile(join(root, "etc/ssl/certs/ca-certificates.crt"), texts.map((text) => `${text.trimEnd()}\n`).join(""))
  // Some packages have their copyright in another one, to which their folder is a link.
  for (const name of DEBIAN) {
    const folder = await readlink(join(unpacked, "usr/share/doc", name)).catch(() => name)
    const copyright = `usr/share/doc/${folder}/copyright`
    await put(join(unpacked, copyright), join(root, copyright))
  }
  const lines = await Promise.all(packages.map(async (name) => `${await sha256OfFile(join(folder, name))}  ${name}\n`))
  await writeFile(join(root, "usr/share/doc/sluice/debian-packages"), lines.join(""))
}

/** Unpacks the layers of an archive, as an engine does before it starts a container. */
const unpack = async (archive: string, to: string): Promise<string> => {
  const layers = join(to, "layers")
  const root = join(to, "root")
  await mkdir(layers, { recursive: true })
  await mkdir(root)
  await run(["tar", "-xf", archive, "-C", layers])
  const [manifest] = JSON.parse(await readFile(join(layers, "manifest.json"), "utf8")) as [Manifest]
  for (const layer of manifest.Layers) await run(["tar", "-xf", join(layers, layer), "-C", root])
  await rm(layers, { recursive: true })
  return root
}

if (import.meta.main) {
  const { archive, id } = await buildImage()
  console.log(`${basename(archive)} sha256:${id}`)
}

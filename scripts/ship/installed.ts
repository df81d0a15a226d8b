/** The files of an installed Sluice, as the image and the .deb have them: the binary, and zeromq's addon where the binary looks for it. */
import { chmod, copyFile, mkdir, stat, utimes } from "node:fs/promises"
import { readdir } from "node:fs/promises"
import { dirname, join } from "node:path"
import { root, sha256OfFile } from "./workspace.ts"

export const layOut = async (binary: string, to: string): Promise<void> => {
  const addon = join(dirname(binary), "zeromq.node")
  await put(binary, join(to, "usr/bin/sluice"), 0o755)
  await put(addon, join(to, `usr/lib/sluice/zeromq-${await sha256OfFile(addon)}.node`), 0o755)
  for (const licence of ["LICENSE-MIT", "LICENSE-APACHE"]) {
    await put(join(root, licence), join(to, "usr/share/doc/sluice", licence))
  }
}

export const put = async (from: string, to: string, mode = 0o644): Promise<void> => {
  await mkdir(dirname(to), { recursive: true })
  await copyFile(from, to)
  await chmod(to, mode)
}

/** Gives all files and folders one time, and folders the mode that everybody can read. */
export const settle = async (folder: string): Promise<void> => {
  const names = await readdir(folder, { recursive: true })
  for (const name of ["", ...names]) {
    const path = join(folder, name)
    if ((await stat(path)).isDirectory()) await chmod(path, 0o755)
    await utimes(path, 0, 0)
  }
}

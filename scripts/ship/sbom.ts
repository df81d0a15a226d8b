/** The software bill of materials (SPDX) of the programs: what npm's lockfile says that `sluice`, its page and its runtime consist of. */
import { createHash } from "node:crypto"
import { mkdir, writeFile } from "node:fs/promises"
import { dirname } from "node:path"
import { run, version } from "./workspace.ts"

interface Package {
  readonly name: string
  readonly SPDXID: string
  readonly [field: string]: unknown
}

interface Spdx {
  readonly packages: ReadonlyArray<Package>
  readonly relationships: ReadonlyArray<{
    readonly spdxElementId: string
    readonly relatedSpdxElement: string
    readonly relationshipType: string
  }>
  readonly [field: string]: unknown
}

/** Of the workspace's bill: the program, what is built into its page, and the Node that runs it. */
const PARTS = ["sluice", "solid-js", "uplot", "node"]

export const writeSbom = async (path: string): Promise<void> => {
  const whole = JSON.parse(await run(["npm", "sbom", "--sbom-format", "spdx", "--package-lock-only"])) as Spdx
  const ids = new Set(whole.packages.filter(({ name }) => PARTS.includes(name)).map(({ SPDXID }) => SPDXID))
  // A set's iteration goes on to what is added meanwhile.
  for (const id of ids) {
    for (const { relatedSpdxElement, relationshipType, spdxElementId } of whole.relationships) {
      if (relationshipType === "DEPENDENCY_OF" && relatedSpdxElement === id) ids.add(spdxElementId)
    }
  }
  const described = whole.packages.find(({ name }) => name === "sluice")!.SPDXID
  const content = {
    packages: whole.packages.filter(({ SPDXID }) => ids.has(SPDXID)),
    relationships: [
      { spdxElementId: "SPDXRef-DOCUMENT", relatedSpdxElement: described, relationshipType: "DESCRIBES" },
      ...whole.relationships.filter(
        ({ relatedSpdxElement, relationshipType, spdxElementId }) =>
          relationshipType === "DEPENDENCY_OF" && ids.has(relatedSpdxElement) && ids.has(spdxElementId)
      )
    ]
  }
  // npm names each document at random and with the time; this one is named by its content.
  const hash = createHash("sha256").update(JSON.stringify(content)).digest("hex")
  const document = {
    spdxVersion: whole["spdxVersion"],
    dataLicense: whole["dataLicense"],
    SPDXID: "SPDXRef-DOCUMENT",
    name: `sluice@${version}`,
    documentNamespace: `http://spdx.org/spdxdocs/sluice-${version}-${hash}`,
    creationInfo: { created: "1970-01-01T00:00:00Z", creators: ["Tool: npm/cli"] },
    documentDescribes: [described],
    ...content
  }
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, `${JSON.stringify(document, null, 2)}\n`)
}

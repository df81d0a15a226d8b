/** `npm run conformance-page`: writes docs/conformance.md, the list of the conformance kit's rules, from the rules. */
import { Conformance } from "@sluice/conformance"
import { writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { table } from "./messages-page.ts"

/** The path of the page. */
export const path = fileURLToPath(new URL("../docs/conformance.md", import.meta.url))

/** The content of the page, made from the rules. */
export const page = (): string =>
  [
    "# The rules of the conformance kit",
    "",
    "Made from the rules in `packages/conformance` by `npm run conformance-page`; a test compares the two. `sluice conformance rules`",
    "prints the same. Sections are those of the Stratum V2 specification, or of the extension whose number is given.",
    "",
    ...CHAPTERS.flatMap(({ how, protocols, side, title }) => [
      `## ${title}`,
      "",
      how,
      "",
      ...protocols.flatMap(([protocol, heading]) => [
        `### ${heading}`,
        "",
        ...table(
          ["rule", "section", "what it says"],
          rulesOf(side)
            .filter((rule) => rule.protocol === protocol)
            .map(({ id, section, title }) => [`\`${id}\``, section, title])
        ),
        ""
      ])
    ])
  ].join("\n")

const rulesOf = (side: Conformance.RuleText["side"]): ReadonlyArray<Conformance.RuleText> =>
  side === "server" ? Conformance.serverRules : Conformance.clientRules

const CHAPTERS = [
  {
    side: "server",
    title: "Servers",
    how: "`sluice conformance connect` is the client. Rules about the handshake need Noise, those about new blocks a way to make one, those about declared jobs the address of the pool or the job declarator beside.",
    protocols: [
      ["common", "Every server"],
      ["mining", "Mining: a pool, or a proxy to its miners"],
      ["job-declaration", "Job Declaration: a job declarator"],
      ["template-distribution", "Template Distribution: a template provider"]
    ]
  },
  {
    side: "client",
    title: "Clients",
    how: "`sluice conformance serve` is the server. A rule about what a client does not do, such as changing its hash rate, is skipped.",
    protocols: [
      ["common", "Every client"],
      ["mining", "Mining: a miner, or a proxy to its pool"],
      ["job-declaration", "Job Declaration: a proxy that declares jobs"],
      ["template-distribution", "Template Distribution: a pool, or a job declarator"]
    ]
  }
] as const

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(path, page())

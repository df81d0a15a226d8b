/** `npm run stratum-v1-page`: writes docs/stratum-v1.md, the list of all methods of Stratum V1, from their declarations. */
import { ErrorCode, type Method, ToClient, ToServer } from "@sluice/stratum-v1"
import { writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { table } from "./messages-page.ts"

/** The path of the page. */
export const path = fileURLToPath(new URL("../docs/stratum-v1.md", import.meta.url))

/** The content of the page, made from the declarations. */
export const page = (): string =>
  [
    "# Stratum V1",
    "",
    "Made from the declarations in `packages/stratum-v1` by `npm run stratum-v1-page`; a test compares the two. There is no",
    "specification but [BIP310](https://github.com/bitcoin/bips/blob/master/bip-0310.mediawiki): this is what miners and pools",
    "send. A line is a JSON object and a line feed; the parameters are a list in the order of the tables. Reading is more lenient",
    "than the tables: numbers may be text and text numbers, hex may begin with 0x, `params` and `id` may be null or missing.",
    "",
    'A request is answered with `{"id":ID,"result":RESULT,"error":null}` or',
    '`{"id":ID,"result":null,"error":[CODE,"TEXT",null]}`; one whose id is null never is.',
    "",
    ...chapter("What miners send", ToServer.toServer as unknown as ReadonlyArray<Method>),
    ...chapter("What pools send", ToClient.toClient as unknown as ReadonlyArray<Method>),
    "## Error codes",
    "",
    ...table(
      ["code", "name"],
      Object.entries(ErrorCode)
        .toSorted(([, a], [, b]) => a - b)
        .map(([name, code]) => [String(code), name.toLowerCase().replaceAll("_", " ")])
    ),
    ""
  ].join("\n")

const chapter = (title: string, methods: ReadonlyArray<Method>): ReadonlyArray<string> => [
  `## ${title}`,
  "",
  ...table(
    ["method", "answered with", "what it is for"],
    methods.map(({ name, purpose, result }) => [`\`${name}\``, result?.name ?? "", purpose])
  ),
  "",
  ...methods.flatMap(section)
]

const section = ({ aliases, name, params }: Method): ReadonlyArray<string> => {
  const fields = Object.entries(params)
  if (fields.length === 0 && aliases.length === 0) return []
  return [
    `### ${name}`,
    "",
    ...(aliases.length === 0 ? [] : [`Also called ${aliases.map((alias) => `\`${alias}\``).join(" and ")}.`, ""]),
    ...(fields.length === 0
      ? []
      : [
          ...table(
            ["parameter", "JSON"],
            fields.map(([field, type]) => [`\`${field}\``, type.name])
          ),
          ""
        ])
  ]
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(path, page())

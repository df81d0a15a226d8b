/** The site of these pages: `npm run site` builds it. The pages are also read in the repository, so links lead to files. */
import { existsSync, globSync, readFileSync, statSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { defineConfig } from "vitepress"

const docs = resolve(import.meta.dirname, "..")
const repository = "https://github.com/sluice/sluice"

/** The address on the site of what a page links to: files outside of these pages are in the repository. */
const addressOf = (link: string, page: string): string => {
  const [path = "", anchor] = link.split("#", 2)
  if (path === "" || /^[a-z]+:/i.test(path) || path.startsWith("/")) return link
  const target = resolve(dirname(join(docs, page)), decodeURIComponent(path))
  const isPage = !relative(docs, target).startsWith("..") && !(existsSync(target) && statSync(target).isDirectory())
  if (isPage) return link
  return `${repository}/blob/main/${relative(dirname(docs), target)}${anchor === undefined ? "" : `#${anchor}`}`
}

const titleOf = (page: string): string => /^# (.*)$/m.exec(readFileSync(join(docs, page), "utf8"))?.[1] ?? page
/** Items of the menu for pages, or for all pages of a folder. */
const items = (...patterns: ReadonlyArray<string>) =>
  patterns
    .flatMap((pattern) => globSync(pattern, { cwd: docs }).toSorted())
    .map((page) => ({ text: titleOf(page).replaceAll("`", ""), link: `/${page.replace(/\.md$/, "")}` }))

export default defineConfig({
  title: "Sluice",
  description: "A streaming framework for Stratum V2, the protocol between Bitcoin miners, proxies, pools and nodes",
  cleanUrls: true,
  lastUpdated: false,
  srcExclude: ["node_modules/**"],
  markdown: {
    config: (markdown) => {
      const links = markdown.core.ruler
      links.push("addresses", (state) => {
        for (const block of state.tokens) {
          for (const token of block.children ?? []) {
            const href = token.type === "link_open" ? token.attrGet("href") : null
            if (href !== null)
              token.attrSet("href", addressOf(href, (state.env as { relativePath: string }).relativePath))
          }
        }
      })
    }
  },
  themeConfig: {
    search: { provider: "local" },
    nav: [
      { text: "First block", link: "/tutorials/first-block" },
      { text: "Your own pool", link: "/tutorials/your-own-pool" },
      { text: "Operators", link: "/operators/running" },
      { text: "Developers", link: "/architecture" }
    ],
    sidebar: [
      { text: "Tutorials", items: items("tutorials/*.md") },
      { text: "Operators", items: items("operators/running.md", "operators/*.md").filter(isFirst) },
      { text: "Developers", items: items("architecture.md", "where-does-it-go.md", "device.md") },
      { text: "The protocol", items: items("messages.md", "stratum-v1.md", "conformance.md", "interop.md") },
      { text: "Measured", items: items("performance.md", "scale.md", "vardiff.md") },
      { text: "Reference", items: items("reference/*.md") },
      { text: "About", items: items("security.md", "upgrading.md", "glossary.md") },
      { text: "Decisions", collapsed: true, items: items("decisions/*.md") }
    ],
    socialLinks: [{ icon: "github", link: repository }]
  }
})

function isFirst({ link }: { readonly link: string }, at: number, all: ReadonlyArray<{ readonly link: string }>) {
  return all.findIndex((item) => item.link === link) === at
}
